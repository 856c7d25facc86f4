import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { acquireLock } from '../../../src/base/lock';
import { markCommand } from '../../../src/cli/mark';
import type { Output } from '../../../src/cli/output';
import { runsCommand } from '../../../src/cli/runs';
import { deleteCommand, restoreCommand } from '../../../src/cli/trash';
import type { Workspace } from '../../../src/store/layout';
import type { RunSummary } from '../../../src/store/queries';
import * as made from '../store/synthetic';

const FIRST = 'law-math-20261124-171530-a1b2';
const SECOND = 'law-math-20261125-090000-c3d4';

/** Runs `work` in a workspace with two finished runs. */
async function inWorkspace(work: (workspace: Workspace) => Promise<void>): Promise<void> {
  const before = process.cwd();
  await made.withWorkspace(async (workspace) => {
    for (const run of [FIRST, SECOND]) {
      made.writeEvents(workspace, run, [made.runStarted(run, ['seed']), made.stageStarted('seed'), made.RUN_FINISHED]);
    }
    process.chdir(workspace.root);
    try {
      await work(workspace);
    } finally {
      process.chdir(before);
    }
  });
}

/** What a command printed, on standard output and on standard error. */
async function printed(command: (output: Output) => Promise<void>): Promise<{ text: string; notes: string }> {
  const lines: string[] = [];
  const notes: string[] = [];
  await command({ print: (line) => lines.push(line), note: (line) => notes.push(line), isTerminal: false });
  return { text: lines.join('\n'), notes: notes.join('\n') };
}

async function listed(all = false): Promise<RunSummary[]> {
  return JSON.parse((await printed((output) => runsCommand({ all, json: true }, output))).text) as RunSummary[];
}

const mark = (run: string, options: Parameters<typeof markCommand>[1]) =>
  printed((output) => markCommand(run, options, output));

describe('commands that mark runs', () => {
  it('bam mark: gives title, star, tags and note, which bam runs shows, and takes them away again', () =>
    inWorkspace(async () => {
      await mark(FIRST, { title: 'Small experts', star: true, tag: ['paper', 'b'], note: 'see Table 2' });
      const { text } = await printed((output) => runsCommand({}, output));
      assert.match(text, new RegExp(`^${FIRST} .* \\* Small experts \\[paper, b\\]$`, 'm'));
      assert.match(text, new RegExp(`^${SECOND} .* UTC$`, 'm'), 'the other has no marks');
      const { text: json } = await mark(FIRST, {
        title: '',
        unstar: true,
        untag: ['paper'],
        tag: ['c', 'b'],
        json: true,
      });
      assert.deepEqual(JSON.parse(json), {
        run: FIRST,
        title: null,
        starred: false,
        tags: ['b', 'c'],
        note: 'see Table 2',
        archived: false,
      });
      assert.deepEqual((await listed()).find(({ id }) => id === FIRST)!.tags, ['b', 'c']);
    }));

  it('bam mark: refuses a title that is too long and keeps the old one', () =>
    inWorkspace(async () => {
      await mark(FIRST, { title: 'short' });
      await assert.rejects(mark(FIRST, { title: 'x'.repeat(201) }), { reason: 'bad-annotation', message: /title/ });
      assert.equal((await listed()).find(({ id }) => id === FIRST)!.title, 'short');
    }));

  it('bam runs: leaves archived runs out, says so, and shows them with --all', () =>
    inWorkspace(async () => {
      await mark(FIRST, { archive: true });
      const { text, notes } = await printed((output) => runsCommand({}, output));
      assert.ok(text.includes(SECOND) && !text.includes(FIRST));
      assert.match(notes, /1 archived run is left out; --all shows them/);
      assert.match(
        (await printed((output) => runsCommand({ all: true }, output))).text,
        new RegExp(`${FIRST}.*archived`),
      );
      await mark(FIRST, { unarchive: true });
      assert.equal((await listed()).length, 2);
    }));

  it('bam delete and bam restore: take a run out of the lists and bring it back with its marks', () =>
    inWorkspace(async (workspace) => {
      await mark(FIRST, { title: 'kept' });
      const { text } = await printed((output) => deleteCommand('law-math-20261124', {}, output));
      assert.match(text, new RegExp(`bam restore ${FIRST}`));
      assert.deepEqual(
        (await listed(true)).map(({ id }) => id),
        [SECOND],
      );
      await assert.rejects(mark(FIRST, { star: true }), { reason: 'unknown-run' });
      await printed((output) => restoreCommand(FIRST, {}, output));
      const back = (await listed()).find(({ id }) => id === FIRST)!;
      assert.deepEqual([back.title, back.state], ['kept', 'finished']);
      assert.ok(existsSync(workspace.eventsFile(FIRST)));
      await assert.rejects(
        printed((output) => restoreCommand(FIRST, {}, output)),
        { reason: 'unknown-run' },
      );
    }));

  it('bam delete: refuses a run that a process works on', () =>
    inWorkspace(async (workspace) => {
      for (const path of [workspace.runLockFile(FIRST), workspace.trainerLockFile(FIRST, 'seed')]) {
        const lock = acquireLock(path, 'run');
        const deleting = printed((output) => deleteCommand(FIRST, {}, output));
        await assert.rejects(deleting, { reason: 'running', advice: `Stop it first: bam stop ${FIRST}` });
        lock.release();
      }
      assert.equal((await listed()).length, 2);
    }));
});
