import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as vscode from 'vscode';
import { readLog } from '../../src/events/log';
import { readAnnotations } from '../../src/store/annotations';
import { Workspace } from '../../src/store/layout';

const root = (): string => vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const workspace = (): Workspace => new Workspace(root());
const run = <T>(command: string, ...rest: unknown[]): Thenable<T> =>
  vscode.commands.executeCommand<T>(command, ...rest);

async function until(test: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 50_000; !test(); await setTimeout(50)) {
    if (Date.now() > end) throw new Error(`within 50 s this did not come: ${what}`);
  }
}

function runs(): string[] {
  const { runsFolder } = workspace();
  return existsSync(runsFolder) ? readdirSync(runsFolder).sort() : [];
}

describe('commands', () => {
  let target: { root: string; run: string };

  it('run a stage of a file in a process of its own', async () => {
    await run('bam.runStage', { file: join(root(), 'tiny.bam.yaml'), stage: 'seed' });
    await until(() => runs().length > 0, 'a run folder');
    target = { root: root(), run: runs().at(-1)! };
    const events = (): string[] => readLog(workspace().eventsFile(target.run)).events.map(({ type }) => type);
    await until(() => events().includes('run.ended'), 'the end of the run');
    assert.ok(events().includes('stage.finished'));
  });

  it('show the result in the lens of the stage', async () => {
    const uri = vscode.Uri.file(join(root(), 'tiny.bam.yaml'));
    await vscode.window.showTextDocument(uri);
    const titles = async (): Promise<string[]> => {
      const lenses = await run<vscode.CodeLens[]>('vscode.executeCodeLensProvider', uri);
      return lenses.map(({ command }) => command?.title ?? '');
    };
    let last: string[] = [];
    for (let i = 0; i < 100 && !last.some((title) => title.includes('perplexity')); i++) {
      last = await titles();
      await setTimeout(100);
    }
    assert.ok(
      last.some((title) => /finished, perplexity \d/.test(title)),
      last.join(' | '),
    );
    assert.ok(last.some((title) => title.includes('Run all')));
  });

  it('star, archive and delete a run', async () => {
    await run('bam.star', target);
    await run('bam.archive', target);
    const { starred, archived } = readAnnotations(workspace(), target.run);
    assert.deepEqual({ starred, archived }, { starred: true, archived: true });
    await run('bam.unarchive', target);
    await run('bam.unstar', target);
    assert.equal(readAnnotations(workspace(), target.run).starred, false);
    // The command waits for an answer to its offer to undo; the run is gone before that.
    void run('bam.delete', target);
    await until(() => !runs().includes(target.run), 'the deletion');
    assert.ok(existsSync(join(workspace().trashFolder, target.run)));
  });

  it('open the file at a stage', async () => {
    await run('bam.runStage', { file: join(root(), 'tiny.bam.yaml'), stage: 'seed' });
    await until(() => runs().length > 0, 'a run folder');
    await run('bam.openFileAtStage', { root: root(), run: runs().at(-1)!, stage: 'sums' });
    const editor = vscode.window.activeTextEditor!;
    assert.match(editor.document.lineAt(editor.selection.active.line).text, /^\s*sums:/);
  });
});
