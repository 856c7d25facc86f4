import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { comparisonMessage } from '../../../src/messages/contract';
import { compareRuns } from '../../../src/report/compare';
import { collectComparison } from '../../../src/report/comparison-view';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import * as made from '../store/synthetic';

const FIRST = 'law-math-20261124-171530-a1b2';
const SECOND = 'law-math-20261125-090000-c3d4';

/** The second run has another learning rate, a stage more, and takes `seed` from the first. */
function writeRuns(workspace: Workspace): void {
  const seed = made.evaluation(20, { math: 8, law: 10 });
  made.writeEvents(workspace, FIRST, [
    made.runStarted(FIRST, ['seed', 'bam']),
    made.stageStarted('seed'),
    made.evaluated('seed', 0, { math: 300, law: 200 }),
    made.step('seed', 1, 4),
    made.step('seed', 20, 3),
    made.evaluated('seed', 20, { math: 9, law: 11 }),
    made.stageFinished('seed', seed),
    made.stageStarted('bam'),
    made.evaluated('bam', 20, { math: 4, law: 6 }),
  ]);
  made.writeEvents(workspace, SECOND, [
    made.runStarted(SECOND, ['seed', 'bam', 'btx']),
    { type: 'stage.cached', stage: 'seed', key: 'key-seed', fromRun: FIRST, evaluation: seed },
    made.stageStarted('bam'),
    made.evaluated('bam', 20, { math: 3, law: 5 }),
  ]);
  for (const [run, rate] of [
    [FIRST, 0.001],
    [SECOND, 0.002],
  ] as const) {
    const text = `# ${run}\nname: law-math\nstages: { bam: { train: { peakLearningRate: ${rate}, tokens: 5k } } }\n`;
    writeFileSync(workspace.experimentFile(run), text);
  }
}

describe('comparing runs', () => {
  it('finds the keys that differ, and how much better each stage is than in the first run', () =>
    made.withWorkspace(async (workspace) => {
      writeRuns(workspace);
      const compare = (ids: string[]) => withIndex(workspace, (index) => compareRuns(workspace, index, ids));
      const { value } = await compare([FIRST, SECOND]);
      assert.deepEqual(value.run, []);
      assert.deepEqual(value.experiment, [{ key: 'stages.bam.train.peakLearningRate', values: ['0.001', '0.002'] }]);
      assert.deepEqual(value.stages, [
        { stage: 'seed', averages: [9, 9], differences: [0, 0] },
        { stage: 'bam', averages: [5, 4], differences: [0, -1] },
        { stage: 'btx', averages: [null, null], differences: [null, null] },
      ]);
      await assert.rejects(compare([FIRST, 'gone']), { reason: 'unknown-run' });
    }));

  it('gives its page the curves of every stage, those of a cached one from the run that trained it', () =>
    made.withWorkspace(async (workspace) => {
      writeRuns(workspace);
      const { value } = await withIndex(workspace, (index) => collectComparison(workspace, index, [FIRST, SECOND]));
      const message = comparisonMessage.parse(value);
      assert.ok(message.type === 'comparison');
      assert.deepEqual(
        message.runs.map(({ id }) => id),
        [FIRST, SECOND],
      );
      assert.deepEqual(
        message.differences.map(({ from, key }) => `${from} ${key}`),
        ['experiment stages.bam.train.peakLearningRate'],
      );
      assert.deepEqual(
        message.curves.map(({ run, stage }) => [run === FIRST ? 1 : 2, stage]),
        [
          [1, 'seed'],
          [1, 'bam'],
          [2, 'seed'],
          [2, 'bam'],
        ],
      );
      const [seed, bam, cached] = message.curves;
      assert.deepEqual(
        seed!.evaluations.map(({ step, seconds, perplexity }) => [step, seconds, perplexity.law]),
        [
          [0, 0, 200],
          [20, 1, 10],
        ],
        'the last evaluation of a step counts; time begins with the first step',
      );
      assert.equal(bam!.evaluations[0]!.seconds, null);
      assert.deepEqual(cached!.evaluations, seed!.evaluations);
    }));
});
