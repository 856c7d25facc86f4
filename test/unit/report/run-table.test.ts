import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import type { EventBody } from '../../../src/events/event';
import { tableMessage, type TableView, tableViewSchema } from '../../../src/messages/contract';
import { laterEvaluationFile, writeLaterEvaluation } from '../../../src/plan/result';
import { ConfigKeys } from '../../../src/report/run-table/config-key';
import { runTableCsv, runTableMarkdown } from '../../../src/report/run-table/export';
import { runTableMessage } from '../../../src/report/run-table/message';
import { runTable, type RunTable } from '../../../src/report/run-table/run-table';
import { withIndex } from '../../../src/store/index';
import { LaterAverages } from '../../../src/store/later-averages';
import { queryRunTable } from '../../../src/store/run-table';
import * as made from '../store/synthetic';
import { run, stage } from './run-table-support';

const RUNS = [
  run('c-3', { seed: 3, starred: true, stages: [stage('seed', 9), stage('bam', 5, { law: 6, math: 4 })] }),
  run('a-2', { seed: 2, tags: ['x'], stages: [stage('seed', 8), stage('bam', 4, { law: 5, math: 3 })] }),
  run('b-1', { seed: 1, title: '=cmd|<img onerror=1>', stages: [stage('seed', 7), stage('bam', 3, { law: 4 })] }),
  run('d-1', { state: 'failed', seconds: null, stages: [stage('seed', null)] }),
];
/** The first three runs differ in their seed only. */
const CONFIGS: Record<string, string> = { 'd-1': 'other' };

function table(view: Partial<TableView>): RunTable {
  return runTable(RUNS, { ...tableViewSchema.parse({}), ...view }, (id) => CONFIGS[id] ?? 'same');
}

/** Texts of a column, from top to bottom. */
function texts({ columns, rows }: RunTable, id: string): string[] {
  const at = columns.findIndex((column) => column.id === id);
  return rows.map(({ cells }) => cells[at]!.text);
}

describe('the run table', () => {
  it('shows a column for the average of each stage, and has the rest ready', () => {
    const { columns, hidden } = table({});
    const shown = columns.map(({ id }) => id);
    assert.deepEqual(shown.slice(0, 6), ['run', 'starred', 'state', 'best', 'seed.average', 'bam.average']);
    for (const id of ['seed', 'started', 'duration', 'experiment', 'tags', 'stages']) assert.ok(shown.includes(id));
    const ids = hidden.map(({ id }) => id);
    for (const id of ['bam.law', 'bam.math', 'seed.tokens', 'bam.flops', 'commit', 'note']) assert.ok(ids.includes(id));
  });

  it('shows the chosen columns in the chosen order, and leaves out those that are gone', () => {
    const { columns } = table({ columns: ['bam.law', 'gone.law', 'run'] });
    assert.deepEqual(
      columns.map(({ id }) => id),
      ['bam.law', 'run'],
    );
    assert.ok(table({ columns: ['gone'] }).columns.length > 5, 'an empty choice falls back to the usual columns');
  });

  it('sorts by a column, also a hidden one; rows without a value come last both ways', () => {
    const view = { columns: ['run', 'seed'] };
    assert.deepEqual(texts(table({ ...view, sort: { column: 'bam.average', descending: false } }), 'seed'), [
      ...['1', '2', '3'],
      '1',
    ]);
    const down = table({ ...view, sort: { column: 'bam.average', descending: true } });
    assert.deepEqual(
      down.rows.map(({ runs }) => runs[0]!.id),
      ['c-3', 'a-2', 'b-1', 'd-1'],
    );
  });

  it('joins runs that differ in their seed only: mean and sample standard deviation', () => {
    const { rows, columns } = table({ grouped: true });
    const grouped = table({ grouped: true });
    assert.deepEqual(
      rows.map(({ runs }) => runs.length),
      [3, 1],
    );
    assert.equal(columns[1]!.id, 'runs');
    assert.deepEqual(texts(grouped, 'runs'), ['3', '1']);
    assert.deepEqual(texts(grouped, 'run'), ['c-3 and 2 more', 'd-1']);
    assert.deepEqual(texts(grouped, 'bam.average'), ['4.000 ± 1.000', '']);
    assert.deepEqual(texts(grouped, 'seed'), ['1, 2, 3', '1']);
    assert.deepEqual(texts(table({ grouped: true, query: 'seed<3' }), 'bam.average'), ['3.500 ± 0.707', '']);
  });

  it('compares every number with the baseline, even one that the query hides', () => {
    const { rows, columns } = table({ baseline: 'a-2', query: 'seed:3' });
    const difference = (id: string): string | undefined =>
      rows[0]!.differences[columns.findIndex((column) => column.id === id)]?.text;
    assert.equal(rows.length, 1);
    assert.equal(difference('bam.average'), '+1.000 (+25.0 %)');
    assert.equal(difference('duration'), '±0');
    assert.equal(difference('state'), undefined);
    const all = table({ baseline: 'a-2', columns: ['bam.average'], sort: { column: 'run', descending: false } });
    assert.deepEqual(
      all.rows.map(({ isBaseline, differences }) => (isBaseline ? 'baseline' : (differences[0]?.text ?? 'none'))),
      ['-1.000 (-25.0 %)', 'baseline', '+1.000 (+25.0 %)', 'none'],
    );
    assert.deepEqual(table({ baseline: 'deleted' }).rows[0]!.differences, []);
  });

  it('is written as CSV in full, without formulas, and as Markdown without markup', () => {
    const view = { columns: ['run', 'started', 'bam.average'], baseline: 'a-2', query: 'seed:1 state:finished' };
    const csv = runTableCsv(table(view)).split('\r\n');
    assert.equal(csv[0], 'Run,Started,bam.average,bam.average difference');
    assert.equal(csv[1], "'=cmd|<img onerror=1>,2026-11-01T17:15:00.000Z,3,-1");
    const markdown = runTableMarkdown(table(view)).split('\n');
    assert.equal(markdown[1], '| --- | --- | ---: |');
    assert.equal(markdown[2], '| =cmd\\|&lt;img onerror=1> | 2026-11-01 17:15 UTC | 3.000, -1.000 (-25.0 %) |');
    const grouped = runTableCsv(table({ columns: ['bam.average'], grouped: true })).split('\r\n');
    assert.deepEqual(grouped.slice(0, 2), ['bam.average,bam.average standard deviation', '4,1']);
  });

  it('goes to its page in the shape of the contract', () => {
    const view = tableViewSchema.parse({ baseline: 'a-2', query: 'tag<x' });
    const message = runTableMessage('/home/ada', view, table(view));
    const parsed = tableMessage.parse(message);
    assert.ok(parsed.type === 'table');
    assert.match(parsed.queryProblem!, /write tag:x/);
    assert.equal(parsed.total, 4);
    const shown = parsed.columns.filter(({ isShown }) => isShown);
    for (const row of parsed.rows) assert.equal(row.cells.length, shown.length);
    assert.ok(parsed.columns.some(({ id, isShown }) => id === 'bam.law' && !isShown));
  });
});

describe('the run table of a workspace', () => {
  it('has every run with the last results of its stages, in the order of the plan', () =>
    made.withWorkspace(async (workspace) => {
      const [first, second] = ['law-math-20261124-171530-a1b2', 'law-math-20261125-090000-c3d4'];
      made.writeEvents(workspace, first, [
        made.runStarted(first, ['seed', 'bam', 'btx']),
        made.stageStarted('bam'),
        made.evaluated('bam', 10, { law: 9, math: 7 }),
        made.evaluated('bam', 20, { math: 3, law: 5 }),
      ]);
      made.writeEvents(workspace, second, [made.runStarted(second, ['other'])], 1, made.START + 1e6);
      const { value: runs } = await withIndex(workspace, (index) => queryRunTable(workspace, index));
      assert.deepEqual(
        runs.map(({ id, stages }) => [id, stages.map(({ name }) => name)]),
        [
          [second, ['other']],
          [first, ['seed', 'bam', 'btx']],
        ],
      );
      const [seed, bam] = runs[1]!.stages;
      const none = { key: null, average: null, later: null, tokens: null, flops: null, perplexity: {} };
      assert.deepEqual(seed, { name: 'seed', group: 'seed', state: 'waiting', ...none });
      assert.equal(bam!.average, 4);
      assert.equal(bam!.tokens, 20 * 2048);
      assert.deepEqual(Object.entries(bam!.perplexity), [
        ['math', 3],
        ['law', 5],
      ]);
    }));

  it('has what stages came to when they were evaluated later, as a column of its own and in queries', () =>
    made.withWorkspace(async (workspace) => {
      const ids = ['law-math-20261124-171530-a1b2', 'law-math-20261125-090000-c3d4'];
      ids.forEach((id, i) => {
        const body = {
          ...made.stageFinished('bam', made.evaluation(20, { law: 5 + i })),
          key: `key-${i}`,
        } as EventBody;
        made.writeEvents(workspace, id, [made.runStarted(id, ['bam']), body], 1, made.START + i * 1e6);
      });
      const later = new LaterAverages(workspace);
      const runs = async () => (await withIndex(workspace, (index) => queryRunTable(workspace, index, later))).value;
      const view = tableViewSchema.parse({});
      const columns = (table: RunTable): string[] => table.columns.map(({ id }) => id);
      assert.ok(!columns(runTable(await runs(), view, () => '')).includes('bam.later'));
      for (const law of [4, 3]) {
        const evaluation = made.evaluation(20, { law });
        writeLaterEvaluation(workspace.stagesFolder, { key: 'key-0', time: law, engine: 'wasm', evaluation });
        // The same size: only its time says that it is another.
        utimesSync(laterEvaluationFile(workspace.stagesFolder, 'key-0'), law, law);
        const found = runTable(await runs(), view, () => '');
        assert.ok(columns(found).indexOf('bam.later') > columns(found).indexOf('bam.average'));
        assert.deepEqual(texts(found, 'bam.later'), ['', `${law}.000`]);
      }
      const matching = runTable(await runs(), { ...view, query: 'bam.later<3.5' }, () => '');
      assert.deepEqual(
        matching.rows.map((row) => row.runs[0]!.id),
        [ids[0]],
      );
    }));

  it('tells runs that differ in their seed only by their plans', () =>
    made.withWorkspace((workspace) => {
      const plan = (seed: number, tokens: number, folder = '/a'): object => ({
        name: 'law',
        seed,
        backend: 'auto',
        folder,
        tokenizer: { name: 'bytes', vocabulary: 257, fingerprint: 'bytes' },
        domains: [{ name: 'law', fingerprint: 'f', config: { files: '*' }, files: 1, bytes: 1 }],
        stages: [
          {
            ...{
              name: 'bam',
              key: `key of seed ${seed}`,
              parents: [{ name: 's', key: `k${seed}` }],
              train: { mix: {}, steps: 1, tokens, flops: 1 },
              ...{ flopsPerToken: 1, evaluation: { every: 1, tokens: 1 } },
            },
            ...{ architecture: {}, parameters: { total: 2, active: 1 } },
          },
        ],
      });
      const plans = { one: plan(1, 5), two: plan(2, 5, '/b'), longer: plan(2, 6), broken: 'not a plan' };
      for (const [id, content] of Object.entries(plans)) {
        made.writeEvents(workspace, id, [made.runStarted(id, ['bam'])]);
        writeFileSync(workspace.planFile(id), JSON.stringify(content));
      }
      const keys = new ConfigKeys(workspace);
      assert.equal(keys.of('one'), keys.of('two'));
      assert.notEqual(keys.of('one'), keys.of('longer'));
      assert.notEqual(keys.of('broken'), keys.of('missing'));
    }));
});
