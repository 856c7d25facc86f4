import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { annotate } from '../../../src/store/annotations';
import { Database } from '../../../src/store/database';
import { rebuildIndex, withIndex } from '../../../src/store/index';
import { ingestRun } from '../../../src/store/ingest';
import type { Workspace } from '../../../src/store/layout';
import { queryRuns } from '../../../src/store/queries';
import { POINT_TABLES } from '../../../src/store/schema';
import * as made from './synthetic';

const RUN = 'law-math-20261124-171530-a1b2';

/** A run with one dense stage of 100 steps. */
function writeRun(workspace: Workspace, run = RUN): void {
  const steps = Array.from({ length: 100 }, (_, i) => made.step('seed', i + 1, 5 - i / 50));
  const points = [
    made.evaluated('seed', 50, { law: 20, math: 40 }),
    made.evaluated('seed', 100, { law: 10, math: 20 }),
  ];
  const end = made.stageFinished('seed', made.evaluation(100, { law: 10, math: 20 }));
  const start = [made.runStarted(run, ['seed', 'bam']), made.stageStarted('seed')];
  made.writeEvents(workspace, run, [...start, ...steps, ...points, end, made.RUN_FINISHED]);
}

/** All that the index holds, as row counts and hashes by table. */
async function dump(index: Database): Promise<string> {
  const lines: string[] = [];
  for (const table of [...Object.keys(POINT_TABLES), 'runs', 'stages', 'problems']) {
    const rows = await index.all(`select * from ${table} order by 1, 2`);
    lines.push(`${table}: ${rows.length} ${createHash('sha256').update(JSON.stringify(rows)).digest('hex')}`);
  }
  return lines.join('\n');
}

async function countSteps(index: Database): Promise<number> {
  return (await index.get<{ n: number }>('select count(*) as n from steps'))!.n;
}

describe('the index', () => {
  it('holds what the logs say, and taking them in again changes nothing', () =>
    made.withWorkspace(async (workspace) => {
      writeRun(workspace);
      const first = await withIndex(workspace, dump);
      const again = await withIndex(workspace, async (index) => {
        await ingestRun(workspace, index, RUN);
        return dump(index);
      });
      assert.equal(again.value, first.value);
      assert.deepEqual(again.problems, []);
      const { value: runs } = await withIndex(workspace, (index) => queryRuns(workspace, index));
      assert.equal(runs.length, 1);
      assert.deepEqual(
        [runs[0]!.state, runs[0]!.stagesDone, runs[0]!.stagesTotal, runs[0]!.bestAverage],
        ['finished', 1, 2, 15],
      );
    }));

  it('takes in an event once its line is whole', () =>
    made.withWorkspace(async (workspace) => {
      made.writeEvents(workspace, RUN, [made.runStarted(RUN, ['seed']), made.stageStarted('seed')]);
      const line = made.eventLines([made.step('seed', 1, 5)], 3);
      appendFileSync(workspace.eventsFile(RUN), line.slice(0, 40));
      const cut = await withIndex(workspace, countSteps);
      assert.equal(cut.value, 0);
      assert.ok(!cut.problems.some((problem) => problem.includes('skipped')), 'a line in writing is no damage');
      appendFileSync(workspace.eventsFile(RUN), line.slice(40));
      assert.equal((await withIndex(workspace, countSteps)).value, 1);
    }));

  it('skips a damaged line, says so once, and remembers it for the run', () =>
    made.withWorkspace(async (workspace) => {
      made.writeEvents(workspace, RUN, [made.runStarted(RUN, ['seed']), made.stageStarted('seed')]);
      appendFileSync(workspace.eventsFile(RUN), '{"sequence":3,"ty\u0000\u0000pe"\n');
      made.writeEvents(workspace, RUN, [made.step('seed', 2, 5)], 4);
      const first = await withIndex(workspace, countSteps);
      assert.equal(first.value, 1);
      assert.ok(first.problems.some((problem) => /byte \d+: skipped a line/.test(problem)));
      const second = await withIndex(workspace, (index) =>
        index.all<{ message: string }>('select message from problems'),
      );
      assert.deepEqual(second.problems, []);
      assert.match(second.value[0]!.message, /skipped a line/);
    }));

  for (const [how, harm] of [
    ['deleted', (path: string) => rmSync(path)],
    ['emptied', (path: string) => truncateSync(path, 0)],
    ['cut in half', (path: string) => truncateSync(path, readFileSync(path).length / 2)],
    ['overwritten', (path: string) => writeFileSync(path, 'not a database, but long enough to look at'.repeat(100))],
    [
      'overwritten behind its first page',
      (path: string) => {
        const bytes = readFileSync(path);
        writeFileSync(path, bytes.fill(0xa5, 4096));
      },
    ],
  ] as const) {
    it(`that was ${how} is made again from the logs, and this is said`, () =>
      made.withWorkspace(async (workspace) => {
        writeRun(workspace);
        const before = await withIndex(workspace, dump);
        harm(workspace.indexFile);
        const after = await withIndex(workspace, dump);
        assert.equal(after.value, before.value);
        assert.equal(after.problems.length, 1);
        assert.match(after.problems[0]!, /index\.sqlite was (missing|damaged)/);
        const asides = readdirSync(workspace.folder).filter((name) => name.includes('.damaged-'));
        assert.equal(asides.length > 0, after.problems[0]!.includes('damaged'));
        assert.deepEqual((await withIndex(workspace, dump)).problems, []);
      }));
  }

  it('takes in anew a log that was replaced or cut back, and drops a run whose folder is gone', () =>
    made.withWorkspace(async (workspace) => {
      writeRun(workspace);
      await withIndex(workspace, countSteps);
      truncateSync(workspace.eventsFile(RUN), made.eventLines([made.runStarted(RUN, ['seed', 'bam'])]).length);
      const cut = await withIndex(workspace, countSteps);
      assert.equal(cut.value, 0);
      assert.match(cut.problems.join(), /replaced or cut back/);
      rmSync(workspace.eventsFile(RUN));
      made.writeEvents(workspace, RUN, [made.runStarted(RUN, ['other']), made.step('other', 1, 5)]);
      assert.equal((await withIndex(workspace, countSteps)).value, 1);
      rmSync(workspace.runFolder(RUN), { recursive: true });
      assert.deepEqual((await withIndex(workspace, (index) => queryRuns(workspace, index))).value, []);
      assert.equal((await withIndex(workspace, countSteps)).value, 0);
    }));

  it('takes in annotations that change while the log does not, and names the run as changed', () =>
    made.withWorkspace(async (workspace) => {
      writeRun(workspace);
      assert.deepEqual((await withIndex(workspace, countSteps)).changed, [RUN]);
      annotate(workspace, RUN, { title: 'Small experts', starred: true, tags: ['paper', 'paper'] });
      const { value, changed } = await withIndex(workspace, (index) => queryRuns(workspace, index));
      assert.deepEqual(changed, [RUN]);
      const { title, starred, tags, note, archived } = value[0]!;
      assert.deepEqual([title, starred, tags, note, archived], ['Small experts', true, ['paper'], null, false]);
      assert.deepEqual((await withIndex(workspace, countSteps)).changed, []);
    }));

  it('is the same after a rebuild, while another connection has the old one open', () =>
    made.withWorkspace(async (workspace) => {
      writeRun(workspace);
      writeRun(workspace, 'other-20261124-171530-0001');
      const before = await withIndex(workspace, async (index) => {
        const text = await dump(index);
        const rebuilt = await rebuildIndex(workspace);
        assert.deepEqual([rebuilt.runs, rebuilt.events], [[RUN, 'other-20261124-171530-0001'], 212]);
        assert.equal(await dump(index), text, 'the old one goes on');
        return text;
      });
      assert.deepEqual(await withIndex(workspace, dump), { value: before.value, changed: [], problems: [] });
      assert.deepEqual(readdirSync(workspace.folder).sort(), ['index.sqlite', 'runs']);
    }));

  it('of a newer version is refused, of an older one made again', () =>
    made.withWorkspace(async (workspace) => {
      writeRun(workspace);
      const before = await withIndex(workspace, dump);
      await setVersion(workspace, 99);
      await assert.rejects(withIndex(workspace, dump), { reason: 'newer-index' });
      await rebuildIndex(workspace);
      assert.deepEqual(await withIndex(workspace, dump), { value: before.value, changed: [], problems: [] });
      await setVersion(workspace, -1);
      assert.deepEqual(await withIndex(workspace, dump), { value: before.value, changed: [RUN], problems: [] });
    }));

  it('is not created by a look at a folder without runs', () =>
    made.withWorkspace(async (workspace) => {
      rmSync(workspace.folder, { recursive: true });
      assert.deepEqual((await withIndex(workspace, (index) => queryRuns(workspace, index))).value, []);
      assert.ok(!existsSync(workspace.folder));
    }));

  it('can be opened and filled by several processes at once', () =>
    made.withWorkspace(async (workspace) => {
      for (let i = 0; i < 5; i++) writeRun(workspace, `law-math-20261124-171530-000${i}`);
      const counts = await Promise.all([1, 2, 3].map(() => countInProcess(workspace)));
      assert.deepEqual(counts, ['500 []', '500 []', '500 []']);
      const { value } = await withIndex(workspace, dump);
      await rebuildIndex(workspace);
      assert.equal((await withIndex(workspace, dump)).value, value);
    }));
});

async function setVersion(workspace: Workspace, version: number): Promise<void> {
  const database = await Database.open(workspace.indexFile);
  await database.exec(`pragma user_version = ${version}`);
  await database.close();
}

/** Opens the index in a process of its own; what it says: steps in the index, and problems but that it was missing. */
async function countInProcess(workspace: Workspace): Promise<string> {
  const source = (name: string): string => JSON.stringify(resolve(__dirname, '../../../src/store', name));
  const script = `
    const { withIndex } = require(${source('index')});
    const { Workspace } = require(${source('layout')});
    withIndex(new Workspace(${JSON.stringify(workspace.root)}), (index) => index.get('select count(*) as n from steps'))
      .then(({ value, problems }) => {
        console.log(value.n, JSON.stringify(problems.filter((problem) => !problem.includes('was missing'))));
      });`;
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  await new Promise((done) => child.once('close', done));
  return output.trim();
}
