import assert from 'node:assert/strict';
import type { TaskResult } from '../../../src/events/event';
import { exportRun } from '../../../src/report/export';
import { reportRun } from '../../../src/report/run-report';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import * as made from '../store/synthetic';

const RUN = 'law-math-20261124-171530-a1b2';

const TASKS: Record<string, TaskResult> = {
  sums: { kind: 'exact-match', fingerprint: 'a', examples: 101, accuracy: 0.2 },
  quiz: { kind: 'multiple-choice', fingerprint: 'b', examples: 1, accuracy: 1, normalizedAccuracy: 0 },
};

/** A run whose last stage was not asked any task. */
async function withRun(work: (workspace: Workspace) => Promise<void>): Promise<void> {
  await made.withWorkspace(async (workspace) => {
    const seed = { ...made.evaluation(100, { law: 20 }), tasks: TASKS };
    const bodies = [
      made.runStarted(RUN, ['seed', 'law']),
      made.stageStarted('seed'),
      made.evaluated('seed', 100, { law: 20 }),
      made.stageFinished('seed', seed),
      made.stageFinished('law', made.evaluation(100, { law: 10 })),
      made.RUN_FINISHED,
    ];
    made.writeEvents(workspace, RUN, bodies);
    await work(workspace);
  });
}

describe('the table of tasks', () => {
  it('has the share of right answers with its standard error, by stage, in the terminal and in the report', () =>
    withRun(async (workspace) => {
      const { table, html } = await reportRun(workspace, RUN);
      // sqrt(0.2 * 0.8 / 100) = 0.04; one answer has no error.
      assert.equal(
        table.split('\n\n')[1],
        [
          'Right answers in per cent, ± the standard error.',
          'stage        sums   quiz  quiz (by length)',
          '-----  ----------  -----  ----------------',
          'seed   20.0 ± 4.0  100.0               0.0',
          'law             -      -                 -',
        ].join('\n'),
      );
      assert.match(html, /20\.0 ± 4\.0/);
    }));

  it('is exported, in full as CSV', () =>
    withRun(async (workspace) => {
      const print = async (kind: 'results' | 'markdown'): Promise<string[]> => {
        const { value } = await withIndex(workspace, (index) => exportRun(workspace, index, RUN, kind));
        return value.split(/\r?\n/);
      };
      const [header, seed, law] = (await print('results')).map((line) => line.split(',').slice(-7));
      const errors = ['sums error', 'quiz error', 'quiz (by length) error'];
      assert.deepEqual(header, ['average', 'sums', errors[0], 'quiz', errors[1], 'quiz (by length)', errors[2]]);
      assert.deepEqual([seed!.slice(0, 3).map(Number), seed![4]], [[20, 0.2, 0.04], '']);
      assert.deepEqual(law, ['10', '', '', '', '', '', '']);
      assert.ok((await print('markdown')).includes('| seed | 20.0 ± 4.0 | 100.0 | 0.0 |'));
    }));

  it('is left out where there are none', () =>
    made.withWorkspace(async (workspace) => {
      made.writeEvents(workspace, RUN, [
        made.runStarted(RUN, ['seed']),
        made.stageFinished('seed', made.evaluation(1, { law: 2 })),
      ]);
      const { table, html } = await reportRun(workspace, RUN);
      assert.doesNotMatch(table + html, /Right answers/);
    }));
});
