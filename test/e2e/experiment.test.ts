import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { EventOf } from '../../src/events/event';
import { withIndex } from '../../src/store/index';
import { queryCurves } from '../../src/store/curves';
import { assertSucceeded, TestWorkspace, TINY_DATA } from '../run/support';
import { describeWorkbench, keepPicture } from './support/suite';
import { accessibilityViolations } from './support/webview';
import { PICTURES, THEME_NAMES, themes, Workbench } from './support/workbench';

/** Trains for longer than the tests watch, stop and reload it. */
const WATCHED = `${TINY_DATA}stages:
  seed:
    train: { mix: { prose: 1 }, tokens: 4M, batch: 4, evaluateEvery: 100, evaluationTokens: 512, checkpointEvery: 50 }
  sums:
    from: seed
    train: { like: seed, mix: { sums: 1 }, tokens: 6400 }
  mixture:
    upcycle: { method: bam, experts: [seed, sums] }
    train: { like: seed, mix: equal, tokens: 19200 }
`;

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
    // An editor that loses the focus at once is not asked for its lenses.
    await workbench.lens('Run all').waitFor();
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
    // The mended file's lenses are asked for only while the editor has the focus.
    await workbench.lens('Run').first().waitFor();
    await workbench.command('View: Hide Panel');
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
    const dashboard = await workbench.webview((await panelTitle('Dashboard'))!);
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
      .statusItem(/seed|step/)
      .first()
      .waitFor();
    const resumed = files
      .events()
      .findLast((event): event is EventOf<'stage.started'> => event.type === 'stage.started')!;
    assert.ok(resumed.fromStep > 0, 'it went on from its checkpoint');
    await files.until((event) => event.type === 'step' && event.step > resumed.fromStep);
    await workbench.tab(/^Dashboard/).click();
    const dashboard = await workbench.webview((await panelTitle('Dashboard'))!);
    await dashboard.locator('canvas').first().waitFor();
    await workbench.tab('tiny.bam.yaml').click();
    await workbench.lens('Stop').first().click();
    await state('stopped');
  });

  it('runs and stops a stage by keyboard alone', async () => {
    const before = files.run;
    const { page } = workbench;
    const enter = async (text: string): Promise<void> => {
      await page.keyboard.type(text);
      await workbench.quickInput
        .row(new RegExp(`^${text.replace('>', '')}$`))
        .first()
        .waitFor();
      await page.keyboard.press('Enter');
    };
    await page.keyboard.press('F1');
    await enter('BAM: Run Stage');
    await workbench.quickInput.row('seed').waitFor();
    await enter('seed');
    await state('running');
    assert.notEqual(files.run, before);
    await files.until(({ type }) => type === 'step');
    await page.keyboard.press('F1');
    await enter('BAM: Stop Run');
    await files.until(({ type }) => type === 'run.ended');
    await files.bam('stop', files.run);
    assertSucceeded(await files.bam('delete', files.run));
  });

  it('shows runs that the command line made', async () => {
    const short = ['--set', 'stages.seed.train.tokens=25600'];
    assertSucceeded(await files.bam('run', files.file, ...short));
    assertSucceeded(await files.bam('run', files.file, ...short, '--set', 'seed=4'));
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
    await workbench.quickInput.write(target, /steps\.csv$/);
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
      await workbench.command('Notifications: Clear All Notifications');
      await pictureEditor(THEME_NAMES[theme]);
      await workbench.lens('Dashboard').first().click();
      const dashboard = await workbench.webview((await panelTitle('Dashboard'))!);
      await dashboard.locator('canvas').first().waitFor();
      assert.deepEqual(await accessibilityViolations(dashboard), [], 'dashboard');
      await picture(`dashboard-${THEME_NAMES[theme]}`);
      for (const section of ['Router load', 'Expert utilization', 'Losses']) {
        await dashboard.getByRole('heading', { name: section }).first().evaluate(scrollToTop);
        await settle();
        await picture(`${section.toLowerCase().replace(' ', '-')}-${THEME_NAMES[theme]}`);
      }
      await workbench.command('BAM: Open Run Table');
      const table = await workbench.webview((await panelTitle('Runs'))!);
      await table.getByText(/tiny-/).first().waitFor();
      assert.deepEqual(await accessibilityViolations(table), [], 'run table');
      await picture(`run-table-${THEME_NAMES[theme]}`);
      await workbench.openFile('tiny.bam.yaml');
      await workbench.lens('Compare').click();
      const comparison = await workbench.webview((await panelTitle('Comparison'))!);
      await comparison.locator('canvas').first().waitFor();
      assert.deepEqual(await accessibilityViolations(comparison), [], 'comparison');
      await picture(`comparison-${THEME_NAMES[theme]}`);
      await workbench.command('BAM: Open Walkthrough');
      await workbench.page.getByText('From dense models to a mixture of experts').first().waitFor();
      // A step completes itself when what it asks for was done.
      await workbench.command('BAM: Open Run Table');
      await workbench.command('BAM: Open Walkthrough');
      await workbench.page.locator('.codicon-getting-started-step-checked').first().waitFor();
      await picture(`walkthrough-${THEME_NAMES[theme]}`);
    });
  }

  /** Lets what fades in be seen in full. */
  function settle(): Promise<void> {
    return setTimeout(700);
  }

  function scrollToTop(element: unknown): void {
    (element as { scrollIntoView(): void }).scrollIntoView();
  }

  function picture(name: string): Promise<void> {
    return workbench.screenshot(join(PICTURES, `${name}.png`));
  }

  /** The file with its lenses, a hover over a stage, and completion. */
  async function pictureEditor(theme: string): Promise<void> {
    const { page } = workbench;
    await workbench.openFile('tiny.bam.yaml');
    await workbench
      .lens(/perplexity/)
      .first()
      .waitFor();
    await picture(`editor-${theme}`);
    await workbench.editor.locator('.view-line').getByText('mixture', { exact: true }).first().hover();
    await page.locator('.monaco-hover').getByText(/FLOPs/).first().waitFor();
    await settle();
    await picture(`hover-${theme}`);
    await workbench.editor.locator('.view-line').getByText('bam', { exact: true }).first().click();
    await page.keyboard.press('Control+Space');
    await page.locator('.suggest-widget .monaco-list-row').filter({ hasText: 'btx' }).first().waitFor();
    await settle();
    await picture(`completion-${theme}`);
    await page.keyboard.press('Escape');
  }

  /** The title of the panel in front, which names its run. */
  async function panelTitle(part: string): Promise<string | undefined> {
    const tab = workbench.page.locator('.tabs-container .tab.active').filter({ hasText: part });
    await tab.first().waitFor();
    return (await tab.first().locator('.label-name').innerText()).trim();
  }
});
