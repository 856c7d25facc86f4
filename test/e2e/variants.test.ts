import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { TestWorkspace } from '../run/support';
import { writeVariantsRun } from '../support/variants-run';
import { describeWorkbench, keepPicture } from './support/suite';
import { accessibilityViolations, type Webview } from './support/webview';
import { themes, Workbench } from './support/workbench';

/** Pictures for looking at by hand, where a folder is named. */
const PICTURES = process.env.BAM_TEST_PICTURES;

describeWorkbench('a run with seeds and a sweep in the workbench', () => {
  let files: TestWorkspace;
  let workbench: Workbench;
  let run: string;

  before(async () => {
    files = new TestWorkspace();
    rmSync(files.file);
    ({ run } = writeVariantsRun(files.workspace));
    workbench = await Workbench.open({ folder: files.root });
    await workbench.openView('BAM Studio');
    await workbench.treeItem(run).waitFor({ timeout: 60_000 });
  });
  afterEach(async function () {
    await keepPicture(this.currentTest, workbench);
  });
  after(async () => {
    await workbench?.close();
    files?.remove();
  });

  const openDashboard = async (): Promise<Webview> => {
    await workbench.menu(workbench.treeItem(run), 'Open Dashboard');
    const dashboard = await workbench.webview(`Dashboard ${run}`);
    await dashboard.locator('canvas').first().waitFor();
    return dashboard;
  };

  const picture = async (name: string): Promise<void> => {
    if (PICTURES) await workbench.screenshot(`${PICTURES}/${name}.png`);
  };

  it('has one curve with a band, one heat map and one line of results for all seeds of a stage', async () => {
    const dashboard = await openDashboard();
    const results = dashboard.getByRole('region', { name: /^Held-out perplexity/ });
    const bam = results.getByRole('row').filter({ hasText: /^bam@loadBalance=0\.1/ });
    // 6 + 20 exp(-3) + 0.4 x (1, 2, 3) + 0.5 in general.
    assert.match((await bam.innerText()).replace(/\s+/g, ' '), /8\.296 ± 0\.400 \(3\)/);
    const later = dashboard.getByRole('region', { name: /^Evaluated after training/ });
    assert.equal(await later.getByRole('row').count(), 3, 'a header and the two values of the sweep');
    const maps = dashboard.getByRole('application', { name: /FFN router/ });
    assert.match((await maps.first().getAttribute('aria-label'))!, /bam@loadBalance=0, mean over 3 seeds, step 120/);
    const together = dashboard.getByRole('region', { name: 'Experts together: law' });
    assert.deepEqual(await together.getByRole('columnheader').allInnerTexts(), ['dense', 'law', 'law 2']);
    await dashboard.getByRole('heading', { name: 'Experts together and choices kept' }).waitFor();
    await dashboard.getByText('Choices kept in layer 0').waitFor();
  });

  it('shows every seed by itself where seeds are not joined', async () => {
    const dashboard = await openDashboard();
    const join = dashboard.getByRole('checkbox', { name: /^join seeds/ });
    const results = dashboard.getByRole('region', { name: /^Held-out perplexity/ }).getByRole('row');
    assert.equal(await results.count(), 1 + 4);
    await join.click();
    await results.filter({ hasText: 'bam@seed=2,loadBalance=0.1' }).waitFor();
    assert.equal(await results.count(), 1 + 12);
    await join.click();
    await results.filter({ hasText: 'bam@seed=2,loadBalance=0.1' }).waitFor({ state: 'detached' });
  });

  it('has a column for each swept value in the run table, with mean and deviation', async () => {
    await workbench.command('BAM: Open Run Table');
    const table = await workbench.webview('Runs');
    await table.getByText(run).first().waitFor();
    const heads = await table.locator('[role="columnheader"], th').allInnerTexts();
    for (const column of ['bam@loadBalance=0.average', 'bam@loadBalance=0.1.average']) {
      assert.ok(
        heads.some((head) => head.includes(column)),
        heads.join(' | '),
      );
    }
    await table.getByText(/±/).first().waitFor();
    await picture('run-table');
  });

  for (const theme of themes) {
    it(`has no serious fault for axe-core in ${theme}`, async () => {
      await workbench.wear(theme);
      const dashboard = await openDashboard();
      for (const heading of [
        'Stages',
        'Results',
        'Perplexity',
        'Router load',
        'Expert utilization',
        'Experts together',
      ]) {
        await dashboard
          .getByRole('heading', { name: heading })
          .first()
          .evaluate((element: { scrollIntoView(): void }) => element.scrollIntoView());
        await setTimeout(PICTURES ? 500 : 0);
        await picture(`${heading.toLowerCase().replace(/ /g, '-')}-${theme.replace(/ /g, '-')}`);
      }
      assert.deepEqual(await accessibilityViolations(dashboard), []);
    });
  }

  it('opens its report for a paper from the sidebar', async () => {
    await workbench.menu(workbench.treeItem(run), 'Open Report for a Paper in Browser');
    const study = files.workspace.studyFile(run);
    for (const end = Date.now() + 20_000; !existsSync(study) && Date.now() < end;) await setTimeout(50);
    const page = await workbench.page.context().newPage();
    try {
      await page.setContent(readFileSync(study, 'utf8'));
      await page.getByRole('heading', { name: 'Results' }).first().waitFor();
      assert.ok(await page.getByText('bam', { exact: true }).first().isVisible());
      if (PICTURES) await page.screenshot({ path: `${PICTURES}/study.png`, fullPage: true });
    } finally {
      await page.close();
    }
  });
});
