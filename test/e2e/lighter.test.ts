import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { assertSucceeded, TestWorkspace, TINY_DATA } from '../run/support';
import { describeWorkbench, keepPicture } from './support/suite';
import { accessibilityViolations, type Webview } from './support/webview';
import { PICTURES, THEME_NAMES, themes, Workbench } from './support/workbench';

const LIGHTER = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 5120, batch: 4, evaluateEvery: 20, evaluationTokens: 512 } }
  sums: { from: seed, train: { like: seed, mix: { sums: 1 } } }
  plus: { upcycle: { method: btx, experts: [seed, sums], ffnTopK: 2, zeroComputation: { zero: 1, copy: 1, constant: 2 }, gatingResidual: true }, train: { like: seed, mix: equal } }
  moe: { upcycle: { method: bam, experts: [seed, sums, seed, sums] }, train: { like: plus } }
  pruned: { from: moe, prune: { method: usage, keep: 2, tokens: 512 } }
  moebert: { from: seed, split: { experts: 3, width: 24, shared: 12, tokens: 512 }, train: { like: plus } }
  mov: { from: pruned, adapt: { method: mov, experts: 3 }, train: { like: plus, peakLearningRate: 0.05 } }
`;

describeWorkbench('lighter mixtures in the workbench', () => {
  let files: TestWorkspace;
  let workbench: Workbench;
  let run: string;

  before(async function () {
    this.timeout(240_000);
    mkdirSync(PICTURES, { recursive: true });
    files = new TestWorkspace(undefined, LIGHTER);
    assertSucceeded(await files.bam('run', files.file));
    run = files.run;
    workbench = await Workbench.open({ folder: files.root });
    await workbench.openView('BAM Studio');
    await workbench.treeItem(run).waitFor({ timeout: 60_000 });
    await workbench.openFile('tiny.bam.yaml');
    await workbench.lens('Run all').waitFor();
  });
  afterEach(async function () {
    await keepPicture(this.currentTest, workbench);
  });
  after(async () => {
    await workbench?.close();
    files?.remove();
  });

  /** The dashboard with the routers of a stage. */
  const routersOf = async (stage: string): Promise<Webview> => {
    const tab = workbench.tab(`Dashboard ${run}`);
    if (await tab.count()) await tab.click();
    else await workbench.menu(workbench.treeItem(run), 'Open Dashboard');
    const dashboard = await workbench.webview(`Dashboard ${run}`);
    await dashboard.locator('canvas').first().waitFor();
    const choice = dashboard.getByRole('region', { name: 'Router load' }).getByRole('combobox', { name: 'mixture' });
    await choice.click();
    await choice.getByRole('option', { name: stage, exact: true }).click();
    await mapsOf(dashboard, new RegExp(`${stage}, step`))
      .first()
      .waitFor();
    return dashboard;
  };
  const mapsOf = (dashboard: Webview, name: RegExp) => dashboard.getByRole('application', { name });

  /** What the heat map with this name says of a cell of its first layer, by the column from 0. */
  const cellText = async (dashboard: Webview, name: RegExp, column: number): Promise<string> => {
    const map = mapsOf(dashboard, name).first();
    await map.focus();
    await map.press('ArrowDown');
    for (let at = 0; at < column; at++) await map.press('ArrowRight');
    const tip = dashboard.locator('.heat-tip:not(:empty)');
    await tip.waitFor();
    const text = await tip.innerText();
    await map.blur();
    return text;
  };

  it('names FFN experts by their parents, and the others by what they do', async () => {
    const dashboard = await routersOf('plus');
    const name = /^FFN router: prose, plus.*2 layers by 6 experts/;
    assert.match(await cellText(dashboard, name, 1), /^Layer 0, expert sums: load .*FFN experts a token/);
    assert.match(await cellText(dashboard, name, 2), /^Layer 0, zero-computation expert constant 1: /);
    assert.match(await cellText(dashboard, name, 5), /^Layer 0, zero-computation expert zero: /);
    const graph = dashboard.getByRole('region', { name: 'Stages' });
    await graph.getByRole('button', { name: /^plus/ }).click();
    await graph
      .getByText(/btx of seed \+ sums, 1 zero, 1 copy, 2 constant, tau 0\.75/)
      .first()
      .waitFor();
  });

  it('tells which experts were pruned, by the names that they had before', async () => {
    const dashboard = await routersOf('pruned');
    const texts: string[] = [];
    for (let column = 0; column < 4; column++) {
      texts.push(await cellText(dashboard, /^FFN router: prose, pruned/, column));
    }
    assert.equal(texts.filter((text) => text.includes(', pruned')).length, 2, texts.join('\n'));
    assert.match(texts[3]!, /^Layer 0, expert sums 2: /);
  });

  it('has the routers of adapters beside those of the mixture that they adapt', async () => {
    const dashboard = await routersOf('mov');
    await mapsOf(dashboard, /^Adapter router, key: prose, mov.*by 3 experts/).waitFor();
    await mapsOf(dashboard, /^FFN router: prose, mov.*by 4 experts/).waitFor();
    // All experts of an adapter work for every token.
    assert.match(await cellText(dashboard, /^Adapter router, key: prose/, 2), /^Layer 0, expert 2: (?!.*dead)/);
  });

  it('shows what a stage comes to when it is evaluated once more while the dashboard is open', async () => {
    const dashboard = await routersOf('pruned');
    const later = dashboard.getByRole('region', { name: /^Evaluated after training/ });
    assert.equal(await later.count(), 0);
    assertSucceeded(await files.bam('evaluate', run, '--stages', 'pruned', '--tokens', '256'));
    await later.getByRole('row').filter({ hasText: 'pruned' }).waitFor();
    await workbench.command('BAM: Open Run Table');
    const table = await workbench.webview('Runs');
    await table.getByText('pruned.later').first().waitFor();
    assertSucceeded(await files.bam('evaluate', run, '--stages', 'mov', '--tokens', '256'));
    await table.getByText('mov.later').first().waitFor();
  });

  it('says above each stage what is lighter, and in the hover the counts', async () => {
    await workbench.tab('tiny.bam.yaml').click();
    const texts = [
      '2 FFN + 4 zero-computation experts, 0.55 FFN experts a token planned',
      '2 of 4 FFN experts a layer stay',
      '3 experts of 24 neurons, 12 shared, by gradient; hash routing',
    ];
    const lens = (text: string | RegExp) => workbench.editor.locator('.codelens-decoration').filter({ hasText: text });
    for (const text of texts) await lens(text).waitFor();
    await lens(/MoV of 3: [\d.]+ % of [\d.]+k parameters train, the base stays/).waitFor();
    const hover = workbench.page.locator('.monaco-hover').filter({ visible: true });
    const hoverOn = async (name: string): Promise<string> => {
      await workbench.page.mouse.move(0, 0);
      await workbench.editor.locator('.view-line').getByText(name, { exact: true }).first().hover();
      await hover.getByText(`stage ${name}`).waitFor();
      return (await hover.first().innerText()).replace(/\s+/g, ' ');
    };
    assert.match(await hoverOn('mov'), /adapted by MoV of 3.*parameters [\d.]+k, of them active.*trained parameters/);
    const plus = await hoverOn('plus');
    assert.match(plus, /zero-computation experts 1 zero, 1 copy, 2 constant.*experts seed, sums, constant 1/);
    assert.match(plus, /FFN experts per token 0\.55 planned, of 2/);
  });

  for (const theme of themes) {
    it(`is pictured in ${theme}, and axe-core finds no serious fault`, async () => {
      await workbench.wear(theme);
      await workbench.command('Notifications: Clear All Notifications');
      await workbench.openFile('tiny.bam.yaml');
      await workbench.lens('Run all').waitFor();
      await workbench.page.mouse.move(700, 800);
      await settle();
      await picture(`lighter-editor-${THEME_NAMES[theme]}`);
      for (const stage of ['plus', 'pruned', 'mov']) {
        const dashboard = await routersOf(stage);
        assert.deepEqual(await accessibilityViolations(dashboard), [], stage);
        const heading = dashboard.getByRole('heading', { name: 'Router load' });
        await heading.evaluate((element: { scrollIntoView(): void }) => element.scrollIntoView());
        await settle();
        await picture(`lighter-${stage}-${THEME_NAMES[theme]}`);
      }
    });
  }

  /** Lets what fades in be seen in full. */
  function settle(): Promise<void> {
    return setTimeout(700);
  }

  function picture(name: string): Promise<void> {
    return workbench.screenshot(join(PICTURES, `${name}.png`));
  }
});
