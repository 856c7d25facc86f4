import assert from 'node:assert/strict';
import { stagesByFileName, summarizeVariants } from '../../../src/report/variant-summary';
import type { StageState, StageSummary } from '../../../src/store/queries';

function stage(name: string, state: StageState, average: number | null = null): StageSummary {
  const result = average === null ? null : { step: 1, tokens: 1, flops: 1, average, domains: {}, tasks: {} };
  const unknown = { key: null, step: null, steps: null, seconds: null, secondsLeft: null, engine: null };
  return { name, state, ...unknown, fromRun: null, detail: null, result };
}

const STAGES = [
  stage('seed', 'cached', 9),
  stage('bam@seed=1,batch=8', 'finished', 4),
  stage('bam@seed=1,batch=16', 'finished', 4.5),
  stage('bam@seed=2,batch=8', 'finished', 6),
  stage('bam@seed=2,batch=16', 'running', 1),
];

describe('the variants of a stage', () => {
  it('are found by its name in the file', () => {
    assert.deepEqual(
      [...stagesByFileName(STAGES)].map(([name, stages]) => [name, stages.length]),
      [
        ['seed', 1],
        ['bam', 4],
      ],
    );
  });

  it('are summed up: how many are done, which is at work, the best mean over the seeds that are done', () => {
    const { done, total, failed, working, best } = summarizeVariants(STAGES.slice(1));
    assert.deepEqual([done, total, failed, ...working.map(({ name }) => name)], [3, 4, 0, 'bam@seed=2,batch=16']);
    assert.deepEqual([best?.mean, best?.n], [4.5, 1]);
    assert.equal(summarizeVariants([stage('bam@seed=1', 'failed'), stage('bam@seed=2', 'waiting')]).best, null);
  });
});
