import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { withIndex } from '../../src/store/index';
import { queryCurves } from '../../src/store/curves';
import { assertSucceeded, TestWorkspace } from '../run/support';
import { describeWorkbench, keepPicture } from './support/suite';
import { accessibilityViolations } from './support/webview';
import { type Theme, themes, Workbench } from './support/workbench';

/** Long enough to watch, stop and reload while it trains. */
const WATCHED = `name: tiny
seed: 3
model: { layers: 2, width: 32, heads: 2, ffnHidden: 48, context: 32 }
domains:
  prose: { files: "prose/*.txt" }
  sums: { files: sums.jsonl, field: text }
stages:
  seed:
    train: { mix: { prose: 1 }, tokens: 100k, batch: 4, evaluateEvery: 100, evaluationTokens: 512, checkpointEvery: 50 }
  sums:
    from: seed
    train: { like: seed, mix: { sums: 1 }, tokens: 6400 }
  mixture:
    upcycle: { method: bam, experts: [seed, sums] }
    train: { like: seed, mix: equal, tokens: 19200 }
`;

/** Optimizer steps of its first stage: tokens by batch and context. */
const STEPS = Math.round(100_000 / (4 * 32));

const PICTURES = join(__dirname, '..', '..', 'docs', 'images');
const NAMES: Record<Theme, string> = {
  'Default Dark Modern': 'dark',
  'Default Light Modern': 'light',
  'Default High Contrast': 'high-contrast',
};

/** The steps of one experiment as a person takes them; each begins where the one before it ended. */
describeWorkbench('an experiment in the workbench', function () {
  this.bail(true);
  let files: TestWorkspace;
  let workbench: Workbench;

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    files = new TestWorkspace(undefined, WATCHED);
    workbench = await Workbench.open({ folder: files.root, env: { BAM_QUEUE_FOLDER: join(files.root, 'queue') } });
    await workbench.openFile('tiny.bam.yaml');
  });
  afterEach(async function () {
    await keepPicture(this.currentTest, workbench);
  });
  after(async () => {
    await files?.bam('stop', 'last', '--now').catch(() => undefined);
    await workbench?.close();
    files?.remove();
  });

  const state = (name: string): Promise<void> =>
    workbench
      .treeItem(/^tiny-\d/)
      .filter({ hasText: name })
      .first()
      .waitFor({ timeout: 60_000 });

  it('underlines a mistake as it is typed, until it is mended', async () => {
    await workbench.openProblems();
    await workbench.editor.getByText('heads:').first().click();
    await workbench.page.keyboard.press('Control+Home');
    await workbench.page.keyboard.press('End');
    await workbench.page.keyboard.type('\nlayerz: 3');
    await workbench
      .problem(/layerz/)
      .first()
      .waitFor();
    await workbench.page.keyboard.press('Control+Z');
    await workbench.page.keyboard.press('Control+Z');
    await workbench
      .problem(/layerz/)
      .first()
      .waitFor({ state: 'detached' });
    await workbench.command('View: Close Panel').catch(() => workbench.page.keyboard.press('Control+J'));
  });

  it('runs a stage from its lens, and the tree shows it', async () => {
    await workbench.openView('BAM Studio');
    await workbench.lens('Run').first().click();
    await workbench
      .notification(/Run tiny-/)
      .first()
      .waitFor({ timeout: 60_000 });
    await state('running');
    await files.until(({ type }) => type === 'step');
  });

  it('shows curves on the dashboard that grow while it trains', async () => {
    await workbench.lens('Dashboard').first().click();
    const dashboard = await workbench.webview((await panelTitle())!);
    await dashboard.getByText('Perplexity').first().waitFor();
    const steps = async (): Promise<number> => {
      const text = (await dashboard.locator('body').innerText()).match(/step (\d+)/i);
      return Number(text?.[1] ?? 0);
    };
    const before = await steps();
    for (const end = Date.now() + 20_000; (await steps()) <= before; await setTimeout(200)) {
      assert.ok(Date.now() < end, `the dashboard still shows step ${before} after 20 s`);
    }
  });

  it('stops from the lens, with a checkpoint', async () => {
    await workbench.tab('tiny.bam.yaml').click();
    await workbench.lens('Stop').first().click();
    await state('stopped');
    assert.ok(files.events().some(({ type }) => type === 'checkpoint'));
  });

  it('resumes, and finds the run again after the window was loaded anew while it trains', async () => {
    await workbench.lens('Resume').first().click();
    await state('running');
    await workbench.load();
    await workbench.openView('BAM Studio');
    await state('running');
    await workbench
      .statusItem(/seed|stages|step/)
      .first()
      .waitFor();
    await state('finished');
    const steps = files.events().filter((event) => event.type === 'step' && event.stage === 'seed');
    assert.equal(new Set(steps.map((event) => event.type === 'step' && event.step)).size, STEPS);
    assert.ok(files.events().some((event) => event.type === 'run.resumed'));
  });

  it('runs the whole experiment from the command line, and shows that run too', async () => {
    assertSucceeded(await files.bam('run', files.file));
    assertSucceeded(await files.bam('run', files.file, '--set', 'seed=4', '--set', 'stages.seed.train.tokens=12800'));
    await workbench
      .treeItem(/^tiny-\d/)
      .nth(2)
      .waitFor();
  });

  it('compares two runs on one page, which says in what they differ', async () => {
    await workbench.openFile('tiny.bam.yaml');
    await workbench.lens('Compare').click();
    const page = await workbench.webview((await panelTitle('Compar'))!);
    await page.getByText('seed', { exact: true }).first().waitFor();
    await page.locator('canvas').first().waitFor();
    assert.deepEqual(await accessibilityViolations(page), []);
  });

  it('exports the numbers of the index', async () => {
    const target = join(files.root, 'steps.csv');
    await workbench
      .treeItem(/^tiny-\d/)
      .first()
      .click();
    await workbench.menu(workbench.treeItem(/^tiny-\d/).first(), 'Export…');
    await workbench.quickInput.pick(/Every training step/);
    await workbench.quickInput.write(target);
    for (const end = Date.now() + 10_000; !existsSync(target) && Date.now() < end;) await setTimeout(50);
    const [header, ...lines] = readFileSync(target, 'utf8').trim().split('\r\n');
    const { value: curves } = await withIndex(files.workspace, (index) => queryCurves(index, files.run, 'mixture'));
    const column = header!.split(',').indexOf('languageModel');
    const exported = lines.filter((line) => line.startsWith('mixture,')).map((line) => Number(line.split(',')[column]));
    assert.ok(exported.length > 100);
    assert.deepEqual(
      exported,
      curves.steps.map(({ languageModel }) => languageModel),
    );
  });

  for (const theme of themes) {
    it(`is pictured in ${theme}, and axe-core finds no serious fault`, async () => {
      await workbench.wear(theme);
      const picture = (name: string): Promise<void> =>
        workbench.screenshot(join(PICTURES, `${name}-${NAMES[theme]}.png`));
      await workbench.openFile('tiny.bam.yaml');
      await workbench
        .lens(/perplexity/)
        .first()
        .waitFor();
      await workbench.command('Notifications: Clear All Notifications');
      await picture('editor');
      await workbench.lens('Dashboard').first().click();
      const dashboard = await workbench.webview((await panelTitle())!);
      await dashboard.locator('canvas').first().waitFor();
      assert.deepEqual(await accessibilityViolations(dashboard), [], 'dashboard');
      await picture('dashboard');
      await workbench.command('BAM: Open Run Table');
      const table = await workbench.webview((await panelTitle('Runs'))!);
      await table.getByText(/tiny-/).first().waitFor();
      assert.deepEqual(await accessibilityViolations(table), [], 'run table');
      await picture('run-table');
    });
  }

  /** The title of the panel in front, which names its run. */
  async function panelTitle(part = ''): Promise<string | undefined> {
    const tab = workbench.page.locator('.tabs-container .tab.active').filter({ hasText: part || 'tiny-' });
    await tab.first().waitFor();
    return (await tab.first().locator('.label-name').innerText()).trim();
  }
});
