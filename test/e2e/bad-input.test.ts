import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Database } from '../../src/store/database';
import { assertSucceeded, TestWorkspace } from '../run/support';
import { describeWorkbench, keepPicture } from './support/suite';
import { Workbench } from './support/workbench';

const HOSTILE = '<img src=x onerror="window.top.hacked = window.hacked = true">';

describeWorkbench('what the workbench makes of bad input', () => {
  let files: TestWorkspace;
  let workbench: Workbench;

  before(async () => {
    files = new TestWorkspace();
    assertSucceeded(await files.bam('run', files.file, '--stages', 'seed'));
    workbench = await Workbench.open({ folder: files.root });
    await workbench.openView('BAM Studio');
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

  it('shows HTML in the title of a run as text, in the sidebar and in panels, where a policy lets nothing else run', async () => {
    assertSucceeded(await files.bam('mark', files.run, '--title', HOSTILE));
    try {
      await workbench.treeItem(HOSTILE).waitFor();
      await workbench.lens('Dashboard').first().click();
      const tab = workbench.page.locator('.tabs-container .tab.active').filter({ hasText: 'Dashboard' });
      await tab.waitFor();
      await assertHarmless((await tab.locator('.label-name').innerText()).trim());
      await workbench.command('BAM: Open Run Table');
      await assertHarmless('Runs');
    } finally {
      assertSucceeded(await files.bam('mark', files.run, '--title', ''));
    }
  });

  it('goes on behind a log whose last line is half written', async () => {
    appendFileSync(files.workspace.eventsFile(files.run), '{"sequence":9999,"time":1,"type":"st');
    await workbench.command('BAM: Refresh');
    await workbench.treeItem(/^tiny-\d/).waitFor();
    assert.equal(await workbench.notification(/cannot be read/).count(), 0);
  });

  it('names the mistakes of a broken file and does not start it', async () => {
    const text = readFileSync(files.file, 'utf8');
    writeFileSync(files.file, text.replace('stages:', 'stages: [\n'));
    await workbench.tab('tiny.bam.yaml').click();
    await workbench.lens('Run all').click();
    await workbench.notification(/mistakes? and was not started/).waitFor();
    writeFileSync(files.file, text);
  });

  it('refuses to read corpora outside the workspace until a setting allows it', async () => {
    const text = readFileSync(files.file, 'utf8').replace('prose/*.txt', '../../etc/*.conf');
    writeFileSync(join(files.root, 'outside.bam.yaml'), text);
    await workbench.openFile('outside.bam.yaml');
    await workbench.lens('Run all').click();
    await workbench.notification(/lies outside/).waitFor();
  });

  it('shows a run that another window starts', async () => {
    const other = await workbench.page.context().newPage();
    const first = workbench.page.url();
    await other.goto(first);
    await other.locator('.monaco-workbench .activitybar').waitFor({ timeout: 60_000 });
    assertSucceeded(await files.bam('run', files.file, '--stages', 'seed'));
    await workbench
      .treeItem(/^tiny-\d/)
      .nth(1)
      .waitFor();
    await other
      .locator('.sidebar .monaco-list-row')
      .filter({ hasText: /^tiny-\d/ })
      .nth(1)
      .waitFor();
    await other.close();
  });

  it('drops a run whose folder was deleted by hand, and says so on its dashboard', async () => {
    await workbench.menu(workbench.treeItem(files.run), 'Open Dashboard');
    const dashboard = await workbench.webview(`Dashboard ${files.run}`);
    rmSync(files.workspace.runFolder(files.run), { recursive: true });
    await dashboard
      .getByText(/gone|There is no run/)
      .first()
      .waitFor();
    await workbench
      .treeItem(/^tiny-\d/)
      .nth(1)
      .waitFor({ state: 'detached' });
  });

  it('says what to do about an index of a newer version, and works again once it is rebuilt', async () => {
    const index = await Database.open(files.workspace.indexFile);
    await index.exec('pragma user_version = 99');
    await index.close();
    mkdirSync(files.workspace.runFolder('touched-20260101-000000-aaaa'), { recursive: true });
    writeFileSync(files.workspace.eventsFile('touched-20260101-000000-aaaa'), '\n');
    await workbench.notification(/version 99/).waitFor();
    await workbench.command('BAM: Rebuild Index from Logs');
    await workbench
      .treeItem(/^tiny-\d/)
      .first()
      .waitFor();
  });

  /** The panel shows the hostile title, nothing of it ran, and its policy allows scripts with the page's nonce only. */
  async function assertHarmless(title: string): Promise<void> {
    const panel = await workbench.webview(title);
    await panel.getByText(HOSTILE).first().waitFor();
    const policy = (await panel.locator('meta[http-equiv="Content-Security-Policy"]').first().getAttribute('content'))!;
    const scripts = policy.split(';').find((part) => part.trim().startsWith('script-src'))!;
    assert.match(scripts, /^\s*script-src 'nonce-[^' ]+'$/);
    assert.match(policy, /default-src 'none'/);
    for (const frame of workbench.page.frames()) assert.equal(await frame.evaluate('window.hacked'), undefined);
  }
});
