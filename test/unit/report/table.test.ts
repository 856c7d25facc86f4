import assert from 'node:assert/strict';
import type { Plan } from '../../../src/plan/plan';
import { pooledLoss, resultsTable, tableAsMarkdown, tableAsText } from '../../../src/report/table';
import type { StageSummary } from '../../../src/store/queries';

function stage(
  name: string,
  perplexity: Record<string, number> | null,
  more: Partial<StageSummary> = {},
): StageSummary {
  const values = Object.values(perplexity ?? {});
  const average = values.reduce((sum, value) => sum + value, 0) / values.length;
  const domains = Object.fromEntries(
    Object.entries(perplexity ?? {}).map(([domain, value]) => [
      domain,
      { loss: Math.log(value), perplexity: value, bitsPerByte: 1, tokens: 10 },
    ]),
  );
  const result = perplexity && { step: 100, tokens: 204_800, flops: 1.5e11, average, domains, tasks: {} };
  const unknown = { key: null, step: null, steps: null, seconds: null, secondsLeft: null, engine: null };
  return { name, state: 'finished', ...unknown, fromRun: null, detail: null, result, ...more };
}

const STAGES = [
  stage('seed', { law: 20, math: 40 }),
  stage('bam', { law: 10, math: 15.5 }, { state: 'running' }),
  stage('waiting', null, { state: 'waiting' }),
];
const PLAN = {
  stages: [{ name: 'bam', parameters: { total: 2.66e6, active: 688_900 } }],
  domains: [],
} as unknown as Plan;

describe('the pooled loss', () => {
  it('weighs domains by their tokens', () => {
    const domain = (loss: number, tokens: number) => ({ loss, perplexity: Math.exp(loss), bitsPerByte: 1, tokens });
    assert.equal(pooledLoss({ law: domain(2, 300), math: domain(6, 100) }), 3);
  });
});

describe('the results table', () => {
  it('is aligned text that names the domains, marks the best and says what is not done', () => {
    assert.equal(
      tableAsText(resultsTable(STAGES, PLAN)),
      [
        'Held-out perplexity, lower is better; the average is over law, math; pooled loss is the mean loss of all their tokens, in nats. * is the best.',
        'stage                       parameters  active  tokens  FLOPs    law   math  pooled loss  average',
        '--------------------------  ----------  ------  ------  -----  -----  -----  -----------  -------',
        'seed                                 -       -    205k   150G  20.00  40.00        3.342    30.00',
        'bam (running, at step 100)       2.66M    689k    205k   150G  10.00  15.50        2.522   *12.75',
        'waiting (waiting)                    -       -       -      -      -      -            -        -',
      ].join('\n'),
    );
  });

  it('is markdown with the best in bold, and JSON with the numbers', () => {
    const table = resultsTable(STAGES, PLAN);
    const lines = tableAsMarkdown(table).split('\n');
    assert.equal(lines[2], '| stage | parameters | active | tokens | FLOPs | law | math | pooled loss | average |');
    assert.match(lines[5]!, /^\| bam .*\| \*\*12\.75\*\* \|$/);
    assert.deepEqual(
      table.rows.map(({ average, isBest }) => [average, isBest]),
      [
        [30, false],
        [12.75, true],
        [null, false],
      ],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(table)), table);
  });

  it('marks no best where there is nothing to compare, and says that nothing was evaluated', () => {
    assert.doesNotMatch(tableAsText(resultsTable(STAGES.slice(0, 1), undefined)), /\*/);
    assert.match(tableAsText(resultsTable(STAGES.slice(2), undefined)), /^No stage has been evaluated yet\.\n/);
  });
});
