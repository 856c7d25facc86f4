import assert from 'node:assert/strict';
import { tableViewSchema } from '../../../src/messages/contract';
import { runTableCsv } from '../../../src/report/run-table/export';
import { parseQuery } from '../../../src/report/run-table/query';
import { runTable } from '../../../src/report/run-table/run-table';
import { withIndex } from '../../../src/store/index';
import { queryRunTable } from '../../../src/store/run-table';
import * as made from '../store/synthetic';
import { run, stage } from './run-table-support';

/** Two seeds and two swept values in one run; the other has no variants. */
const SWEPT = run('swept', {
  seed: null,
  seeds: [1, 2],
  stages: [
    stage('seed@seed=1', 9),
    stage('bam@seed=1,batch=8', 4, { law: 3 }),
    stage('bam@seed=1,batch=16', 5),
    stage('seed@seed=2', 11),
    stage('bam@seed=2,batch=8', 6, { law: 5 }),
    stage('bam@seed=2,batch=16', null),
  ],
});
const PLAIN = run('plain', { seed: 3, stages: [stage('seed', 8), stage('bam', 7)] });

function found(query: string): string[] {
  const { matches, problem } = parseQuery(query, [SWEPT, PLAIN]);
  assert.equal(problem, null);
  return [SWEPT, PLAIN].filter(matches).map(({ id }) => id);
}

describe('the run table with variants', () => {
  const view = {
    ...tableViewSchema.parse({}),
    columns: [
      'run',
      'seed',
      'seed.average',
      'bam@batch=8.average',
      'bam@batch=16.average',
      'bam@batch=8.law',
      'bam.average',
    ],
  };
  const shown = runTable([SWEPT, PLAIN], view, (id) => id);

  it('has a column for each swept value, with mean and deviation over seeds', () => {
    assert.equal(shown.columns.length, view.columns.length);
    const texts = Object.fromEntries(shown.rows.map(({ runs, cells }) => [runs[0]!.id, cells.map(({ text }) => text)]));
    assert.deepEqual(texts.swept, ['swept', '1, 2', '10.00 ± 1.414', '5.000 ± 1.414', '5.000', '4.000 ± 1.414', '']);
    assert.deepEqual(texts.plain, ['plain', '3', '8.000', '', '', '', '7.000']);
    assert.match(runTableCsv(shown), /^Run,Seed,seed.average,seed.average standard deviation,bam@batch=8.average,/);
  });

  it('finds runs by a stage with or without its swept values, and by any seed', () => {
    assert.deepEqual(found('stage:bam'), ['swept', 'plain']);
    assert.deepEqual(found('stage:bam avg<6'), ['swept']);
    assert.deepEqual(found('stage:bam@batch=16 avg<6'), ['swept']);
    assert.deepEqual(found('bam*.avg>=7'), ['plain']);
    assert.deepEqual(found('bam.law<=4'), ['swept']);
    assert.deepEqual(found('seed:2'), ['swept']);
    assert.deepEqual(found('-seed:2'), ['plain']);
  });

  it('reads seeds and groups from the names in the index', () =>
    made.withWorkspace(async (workspace) => {
      const { seed: _seed, ...started } = made.runStarted('swept-1', ['a@seed=1', 'a@seed=2,batch=8']) as {
        seed: number;
      };
      made.writeEvents(workspace, 'swept-1', [started as never]);
      const { value } = await withIndex(workspace, (index) => queryRunTable(workspace, index));
      assert.deepEqual(value[0]!.seeds, [1, 2]);
      assert.deepEqual(
        value[0]!.stages.map(({ group }) => group),
        ['a', 'a@batch=8'],
      );
    }));
});
