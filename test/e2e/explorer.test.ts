import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Locator } from 'playwright-core';
import { assertSucceeded, TestWorkspace, untilGone } from '../run/support';
import { ROOT } from './support/code-server';
import { describeWorkbench, keepPicture } from './support/suite';
import { accessibilityViolations, type Webview } from './support/webview';
import { PICTURES, THEME_NAMES, themes, Workbench } from './support/workbench';

/** Three experts that know different things, in a model that can be asked for a hundred letters. */
const EXPERIMENT = `name: tiny
seed: 3
model: { layers: 3, width: 48, heads: 4, ffnHidden: 96, context: 128 }
domains:
  prose: { files: "prose/*.txt" }
  sums: { files: sums.jsonl, field: text }
stages:
  seed: { train: { mix: { prose: 1, sums: 1 }, tokens: 200k, batch: 8, evaluateEvery: 500, evaluationTokens: 512 } }
  words: { from: seed, train: { like: seed, mix: { prose: 1 }, tokens: 80k } }
  sums: { from: seed, train: { like: seed, mix: { sums: 1 }, tokens: 80k } }
  mixture: { upcycle: { method: bam, experts: [seed, words, sums] }, train: { like: seed, mix: equal, tokens: 80k } }
`;
const PROMPT = '12+30=42\nthe model learns to';
/** At most: a document may end before. */
const TOKENS = 48;

/** The steps of a person who asks a mixture; each begins where the one before it ended. */
describeWorkbench('the routing explorer in the workbench', function () {
  this.bail(true);
  let files: TestWorkspace;
  let workbench: Workbench;
  let page: Webview;

  before(async function () {
    this.timeout(600_000);
    mkdirSync(PICTURES, { recursive: true });
    files = new TestWorkspace(undefined, EXPERIMENT);
    assertSucceeded(await files.bam('run', files.file));
    workbench = await Workbench.open({ folder: files.root, env: { BAM_QUEUE_FOLDER: join(files.root, 'queue') } });
    await workbench.openFile('tiny.bam.yaml');
    await workbench.lens('Generate').first().waitFor({ timeout: 60_000 });
  });
  afterEach(async function () {
    await keepPicture(this.currentTest, workbench);
  });
  after(async () => {
    await workbench?.close();
    files?.remove();
  });

  const pane = (name: string): Locator => page.getByRole('region', { name, exact: true });
  const tokensOf = (name: string): Locator => pane(name).locator('.token');
  const answered = async (name: string): Promise<void> =>
    pane(name)
      .getByText(/\d+ tokens? in [\d.]+ s/)
      .waitFor({ timeout: 90_000 });
  const details = (): Locator => page.getByRole('region', { name: 'Token', exact: true });
  const textOf = async (tokens: Locator): Promise<string> => (await tokens.allTextContents()).join('');

  it('opens from the palette, and writes token by token in the colours of experts', async () => {
    await workbench.command('BAM: Generate');
    await workbench.quickInput.pick('mixture');
    page = await workbench.webview('Generate mixture');
    await page.locator('textarea').fill(PROMPT);
    await page.getByRole('textbox', { name: 'tokens', exact: true }).fill(String(TOKENS));
    await page.getByRole('textbox', { name: 'temperature' }).fill('0.7');
    await page.getByRole('button', { name: 'Generate', exact: true }).click();
    await answered('mixture');
    const written = await pane('mixture').locator('.token.continuation').count();
    assert.ok(written > 10 && written <= TOKENS, `${written} tokens`);
    assert.equal(await tokensOf('mixture').count(), PROMPT.length + written);
    assert.match(await textOf(tokensOf('mixture')), /^12\+30=42↵the·model·learns·to/);
    const experts = new Set(
      await tokensOf('mixture').evaluateAll((spans) =>
        (spans as unknown as { dataset: { expert: string } }[]).map(({ dataset }) => dataset.expert),
      ),
    );
    assert.ok(experts.size > 1, `all tokens have expert ${[...experts].join()}`);
    const colors = new Set(
      await tokensOf('mixture').evaluateAll((spans) =>
        (spans as unknown as { style: { borderBottomColor: string } }[]).map(({ style }) => style.borderBottomColor),
      ),
    );
    assert.equal(colors.size, experts.size, 'a colour an expert');
    const legend = page.getByRole('region', { name: 'Experts' });
    for (const name of ['seed', 'words', 'sums']) await legend.getByText(name, { exact: true }).first().waitFor();
  });

  it('says of a token what it is and how it was routed, by mouse and by keyboard', async () => {
    await tokensOf('mixture').nth(PROMPT.indexOf('m')).hover();
    await details().getByText('"m"').waitFor();
    await details().getByText('log-probability').waitFor();
    const gates = details().getByRole('region', { name: /FFN experts/ });
    assert.equal(await gates.getByRole('row').count(), 1 + 3, 'a row for each layer');
    const weights = details().getByRole('region', { name: /Attention experts/ });
    const first = await weights.getByRole('row').nth(1).getByRole('cell').allInnerTexts();
    const sum = first.map(Number).reduce((total, weight) => total + weight, 0);
    assert.ok(Math.abs(sum - 1) < 0.02, `weights ${first.join(' ')} of one layer`);
    await tokensOf('mixture').first().focus();
    await workbench.page.keyboard.press('ArrowRight');
    await workbench.page.keyboard.press('ArrowRight');
    await details().getByText('"+"').waitFor();
    await details()
      .getByText(/position 2, prompt/)
      .waitFor();
  });

  it('colours by one layer', async () => {
    await choose('colour by', 'layer 1');
    await page.getByText('change in layer 1').waitFor();
    await choose('colour by', 'all layers');
    await page.getByText('change in all layers').waitFor();
  });

  it('shows beside it what forcing an expert changes', async () => {
    await page.getByRole('button', { name: 'force words' }).click();
    await answered('mixture, routing changed');
    const changed = tokensOf('mixture, routing changed');
    const experts = await changed.evaluateAll((spans) =>
      (spans as unknown as { dataset: { expert: string } }[]).map(({ dataset }) => dataset.expert),
    );
    assert.deepEqual(new Set(experts), new Set(['1']), 'every token is sent to the forced expert');
    await pane('mixture, routing changed')
      .getByText(/prompt perplexity [\d.]+, [+-]/)
      .waitFor();
    const differing = await pane('mixture, routing changed').locator('.token.differs').count();
    assert.notEqual(await textOf(changed), await textOf(tokensOf('mixture')));
    assert.ok(differing > 0);
    await pane('mixture, routing changed')
      .getByText(new RegExp(`^${differing} of \\d+ tokens differ`))
      .waitFor();
  });

  it('shows another stage beside it', async () => {
    await choose('beside', 'words');
    await answered('words');
    assert.ok((await tokensOf('words').count()) > PROMPT.length);
    assert.equal(servingProcesses().length, 1, 'one process answers for both');
  });

  it('has its answers again after it was hidden', async () => {
    const before = await textOf(tokensOf('mixture'));
    await workbench.tab('tiny.bam.yaml').click();
    await setTimeout(500);
    await workbench.tab('Generate mixture').click();
    page = await workbench.webview('Generate mixture');
    await answered('words');
    assert.equal(await textOf(tokensOf('mixture')), before);
    assert.equal(await page.locator('textarea').inputValue(), PROMPT);
    assert.match(await page.getByRole('combobox', { name: 'beside' }).ariaSnapshot(), /: words$/);
  });

  it('reads held-out texts of each domain, and says how they are routed', async () => {
    await page.getByRole('button', { name: 'Read held-out texts' }).click();
    const table = page.getByRole('region', { name: /^Load in all layers/ });
    await table.getByRole('row').filter({ hasText: 'sums' }).nth(1).waitFor({ timeout: 60_000 });
    await page.getByRole('button', { name: 'Read held-out texts', disabled: false }).waitFor({ timeout: 60_000 });
    for (const domain of ['prose', 'sums']) {
      const row = table.getByRole('row').filter({ has: page.getByRole('rowheader', { name: domain, exact: true }) });
      const loads = (await row.getByRole('cell').allInnerTexts()).slice(2).map(parseFloat);
      assert.equal(loads.length, 3);
      const sum = loads.reduce((total, load) => total + load, 0);
      assert.ok(Math.abs(sum - 100) < 1, `loads ${loads.join(' ')} of ${domain}`);
    }
    await page.getByText('Texts that were read').click();
    await page
      .getByText(/^sums: "\d+\+\d+=/)
      .first()
      .waitFor();
  });

  it('shows the tokens of one expert only', async () => {
    const experts = page.getByRole('region', { name: 'Experts' });
    await experts
      .getByRole('button', { name: /words$/ })
      .first()
      .click();
    await tokensOf('mixture').and(page.locator('.dimmed')).first().waitFor();
    await experts
      .getByRole('button', { name: /words$/ })
      .first()
      .click();
    await page.locator('.dimmed').first().waitFor({ state: 'detached' });
    await workbench.command('View: Toggle Primary Side Bar Visibility');
  });

  for (const theme of themes) {
    it(`is pictured in ${theme}, and axe-core finds no serious fault`, async () => {
      await workbench.wear(theme);
      await workbench.command('Notifications: Clear All Notifications');
      await workbench.tab('Generate mixture').click();
      page = await workbench.webview('Generate mixture');
      await tokensOf('mixture')
        .nth(PROMPT.length + 2)
        .focus();
      await page.evaluate('window.scrollTo(0, 0)');
      await setTimeout(700);
      await workbench.screenshot(join(PICTURES, `explorer-${THEME_NAMES[theme]}.png`));
      await page.evaluate('window.scrollTo(0, document.body.scrollHeight)');
      await setTimeout(300);
      await workbench.screenshot(join(PICTURES, `explorer-domains-${THEME_NAMES[theme]}.png`));
      assert.deepEqual(await accessibilityViolations(page), []);
    });
  }

  it('has its prompt and choices again after the window was loaded anew', async () => {
    await workbench.load();
    page = await workbench.webview('Generate mixture');
    assert.equal(await page.locator('textarea').inputValue(), PROMPT);
    assert.equal(await page.locator('.pane').count(), 0, 'its answers went with the process');
    await page.getByRole('button', { name: 'Generate', exact: true }).click();
    await answered('mixture, routing changed');
    await answered('words');
  });

  it('opens from a lens too, and ends its process when it is closed', async () => {
    await workbench.tab('Generate mixture').click();
    await workbench.command('View: Close Editor');
    for (const pid of servingProcesses()) await untilGone(pid);
    await workbench.openFile('tiny.bam.yaml');
    // One a stage.
    const lenses = workbench.lens('Generate');
    await lenses.nth(3).click();
    await workbench.webview('Generate mixture');
    assert.deepEqual(servingProcesses(), [], 'nothing is started before something is asked');
    await workbench.command('View: Close Editor');
  });

  it('opens from the sidebar, and stops', async () => {
    await workbench.openView('BAM Studio');
    const run = workbench.treeItem(/^tiny-\d/).first();
    await run.waitFor();
    if ((await run.getAttribute('aria-expanded')) !== 'true') await run.locator('.monaco-tl-twistie').click();
    await workbench.menu(workbench.treeItem(/^mixture/), 'Generate');
    page = await workbench.webview('Generate mixture');
    await page.locator('textarea').fill(PROMPT);
    await page.getByRole('button', { name: 'Generate', exact: true }).click();
    // Its process has just begun to load.
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await pane('mixture')
      .getByText(/, stopped$/)
      .waitFor();
  });

  /** Takes a choice of a drop-down list. */
  async function choose(label: string, choice: string): Promise<void> {
    const list = page.locator(`vscode-dropdown[aria-label="${label}"]`);
    await list.click();
    await list.locator('vscode-option').filter({ hasText: choice }).first().click();
  }
});

/** Ids of the processes that this clone's extension answers with. */
function servingProcesses(): number[] {
  const script = join(ROOT, 'dist', 'serve.js');
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(script);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}
