import assert from 'node:assert/strict';
import type { Run, Stage } from '../../../src/messages/contract';
import { AVERAGE, type Comparison, curvesOf, resultLines, stagesOf } from '../../../webview/compare/model';
import { seedsOf } from '../../../webview/shared/seeds';

function stage(name: string, state: Stage['state'], average: number | null): Stage {
  return { name, state, average, perplexity: average === null ? {} : { law: 2 * average } } as Stage;
}

const evaluations = (...averages: number[]) =>
  averages.map((average, i) => ({ step: i, tokens: 10 * i, flops: 0, average, perplexity: {}, seconds: null }));

const swept = [
  stage('bam@seed=1', 'finished', 4),
  stage('bam@seed=2', 'cached', 6),
  stage('bam@seed=3', 'running', 50),
];
const COMPARISON = {
  runs: [
    { id: 'a', title: 'one', seed: 7, domains: ['law'], stages: [stage('bam', 'running', 7)] },
    { id: 'b', title: 'three', seed: null, domains: ['law'], stages: swept },
  ],
  curves: [
    { run: 'a', stage: 'bam', evaluations: evaluations(9, 7) },
    { run: 'b', stage: 'bam@seed=1', evaluations: evaluations(8, 4) },
    { run: 'b', stage: 'bam@seed=2', evaluations: evaluations(10, 6) },
  ],
} as unknown as Comparison;

describe('the comparison of runs with several seeds', () => {
  it('has a line for all seeds of a stage: the mean of those that are done', () => {
    assert.deepEqual(stagesOf(COMPARISON), ['bam']);
    const [average, law] = resultLines(COMPARISON, true);
    assert.deepEqual(
      average!.values.map((value) => [value?.mean, value?.n]),
      [
        [7, 1],
        [5, 2],
      ],
    );
    assert.deepEqual(
      law!.values.map((value) => value?.mean),
      [14, 10],
    );
  });

  it('has one curve a run, in a band where there are several seeds', () => {
    const [one, three] = curvesOf(COMPARISON, 'bam', AVERAGE, 'tokens');
    assert.deepEqual([[...one!.x], [...one!.y], one!.band], [[0, 10], [9, 7], undefined]);
    assert.deepEqual(
      [[...three!.y], [...three!.band!.low], [...three!.band!.high]],
      [
        [9, 5],
        [8, 4],
        [10, 6],
      ],
    );
    assert.deepEqual(curvesOf(COMPARISON, 'bam', AVERAGE, 'time'), [], 'no time is known');
  });

  it('names the seeds of a run', () => {
    assert.deepEqual((COMPARISON.runs as Run[]).map(seedsOf), ['7', '1, 2, 3']);
    assert.equal(seedsOf({ seed: null, stages: [] }), '');
  });
});
