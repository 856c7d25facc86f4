import assert from 'node:assert/strict';
import type { EventOf, Routing } from '../../../src/events/event';
import { queryCurves, queryRouting } from '../../../src/store/curves';
import type { Database } from '../../../src/store/database';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import { acquireLock } from '../../../src/base/lock';
import { findRun, queryRun, queryRuns } from '../../../src/store/queries';
import * as made from './synthetic';

const RUN = 'law-math-20261124-171530-a1b2';
const LATER = 'law-math-20261125-090000-c3d4';

function router(load: number[]): Routing {
  const deadExperts = load.filter((share) => share === 0).length;
  const maxViolation = Math.max(...load) * load.length - 1;
  return { layer: 0, router: 'ffn', load, meanGate: load, entropy: 0.5, maxViolation, deadExperts };
}

/** Queries the index of a workspace; fails if there was any problem but that the index was not there yet. */
async function query<T>(workspace: Workspace, use: (index: Database) => Promise<T>): Promise<T> {
  const { value, problems } = await withIndex(workspace, use);
  assert.deepEqual(
    problems.filter((problem) => !problem.includes('was missing')),
    [],
  );
  return value;
}

describe('queries', () => {
  /** A run that crashed after step 30 with its last checkpoint at step 20. */
  const crashed = [
    made.runStarted(RUN, ['seed', 'bam']),
    made.stageStarted('bam'),
    made.step('bam', 10, 4, [router([1, 0])]),
    made.evaluated('bam', 10, { law: 30 }, { law: [router([1, 0])] }),
    made.step('bam', 20, 3, [router([0.5, 0.5])]),
    { type: 'checkpoint', stage: 'bam', step: 20, folder: 'stages/key-bam/20', best: true },
    made.step('bam', 30, 9, [router([0.9, 0.1])]),
    made.evaluated('bam', 30, { law: 99 }, { law: [router([0.9, 0.1])] }),
    { type: 'checkpoint', stage: 'bam', step: 30, folder: 'stages/key-bam/30', best: false },
  ] as const;
  const resumed = [
    { type: 'run.resumed', version: '0.1.0' },
    made.stageStarted('bam', 20),
    made.step('bam', 30, 2, [router([0.6, 0.4])]),
  ] as const;

  for (const [when, between] of [
    ['read before and after', true],
    ['read in one go', false],
  ] as const) {
    it(`leave out what a resumed stage repeats (log ${when})`, () =>
      made.withWorkspace(async (workspace) => {
        made.writeEvents(workspace, RUN, [...crashed]);
        if (between) await query(workspace, async () => undefined);
        made.writeEvents(workspace, RUN, [...resumed], crashed.length + 1);
        await query(workspace, async (index) => {
          const curves = await queryCurves(index, RUN, 'bam');
          assert.deepEqual(
            curves.steps.map(({ step, loss }) => [step, loss]),
            [
              [10, 4],
              [20, 3],
              [30, 2],
            ],
          );
          assert.deepEqual(
            curves.evaluations.map(({ step, perplexity }) => [step, perplexity]),
            [[10, { law: 30 }]],
          );
          const routing = await queryRouting(index, RUN, 'bam');
          assert.deepEqual(
            routing.map(({ step, domain, routers }) => [step, domain, routers[0]!.load]),
            [
              [10, null, [1, 0]],
              [10, 'law', [1, 0]],
              [20, null, [0.5, 0.5]],
              [30, null, [0.6, 0.4]],
            ],
          );
          const run = await queryRun(workspace, index, RUN);
          assert.deepEqual(
            run.checkpoints.map(({ step, best }) => [step, best]),
            [[20, true]],
          );
          assert.equal(run.bestAverage, 30);
        });
      }));
  }

  it('call a run without an end interrupted, unless a process holds its lock', () =>
    made.withWorkspace(async (workspace) => {
      made.writeEvents(workspace, RUN, [...crashed]);
      const states = (): Promise<unknown[]> =>
        query(workspace, async (index) => {
          const run = await queryRun(workspace, index, RUN);
          return [run.state, ...run.stages.map((stage) => `${stage.name} ${stage.state} ${stage.secondsLeft}`)];
        });
      assert.deepEqual(await states(), ['interrupted', 'seed waiting null', 'bam interrupted null']);
      const lock = acquireLock(workspace.runLockFile(RUN), `run ${RUN}`);
      // 30 of 100 steps in 7 s, to the last event.
      assert.deepEqual(await states(), ['running', 'seed waiting null', `bam running ${(7 / 30) * 70}`]);
      lock.release();
    }));

  it('call a run queued while others are ahead of it, interrupted if its process is gone, running once its turn came', () =>
    made.withWorkspace(async (workspace) => {
      const states = (): Promise<string[]> =>
        query(workspace, async (index) => {
          const run = await queryRun(workspace, index, RUN);
          return [run.state, ...run.stages.map(({ state }) => state)];
        });
      made.writeEvents(workspace, RUN, [
        made.runStarted(RUN, ['seed']),
        { type: 'run.queued', device: 'cpu', ahead: 2 },
        { type: 'run.queued', device: 'cpu', ahead: 1 },
      ]);
      const lock = acquireLock(workspace.runLockFile(RUN), `run ${RUN}`);
      assert.deepEqual(await states(), ['queued', 'waiting']);
      lock.release();
      assert.deepEqual(await states(), ['interrupted', 'waiting']);
      const again = acquireLock(workspace.runLockFile(RUN), `run ${RUN}`);
      made.writeEvents(workspace, RUN, [{ type: 'run.queued', device: 'cpu', ahead: 0 }], 4);
      assert.deepEqual(await states(), ['running', 'waiting']);
      again.release();
    }));

  it('know a run that was announced before its file was planned, then its stages and seed', () =>
    made.withWorkspace(async (workspace) => {
      const { seed: _seed, commit: _commit, ...announced } = made.runStarted(RUN, []) as EventOf<'run.started'>;
      const facts = (): Promise<unknown[]> =>
        query(workspace, async (index) => {
          const { seed, stagesTotal, message, file } = await queryRun(workspace, index, RUN);
          return [seed, stagesTotal, message, file];
        });
      const file = '/home/ada/law-math.bam.yaml';
      made.writeEvents(workspace, RUN, [announced]);
      assert.deepEqual(await facts(), [null, 0, null, file]);
      made.writeEvents(workspace, RUN, [made.runStarted(RUN, ['seed', 'bam'])], 2);
      assert.deepEqual(await facts(), [7, 2, null, file]);
    }));

  it('take the curves of a cached stage from the run that trained it, under the name it had there', () =>
    made.withWorkspace(async (workspace) => {
      const result = made.evaluation(20, { law: 12 });
      made.writeEvents(workspace, RUN, [
        made.runStarted(RUN, ['old']),
        made.stageStarted('old'),
        made.step('old', 10, 4),
        made.step('old', 20, 3),
        made.evaluated('old', 20, { law: 12 }),
        made.stageFinished('old', result),
      ]);
      const cached = { stage: 'new', key: 'key-old', evaluation: result };
      made.writeEvents(workspace, LATER, [
        made.runStarted(LATER, ['new', 'lost']),
        { type: 'stage.cached', ...cached, fromRun: RUN },
        { type: 'stage.cached', ...cached, stage: 'lost', fromRun: 'deleted-20260101-000000-0000' },
      ]);
      await query(workspace, async (index) => {
        const curves = await queryCurves(index, LATER, 'new');
        assert.deepEqual([curves.run, curves.stage, curves.steps.length], [RUN, 'old', 2]);
        assert.equal(curves.evaluations.length, 1, 'the result stands at the step of the last point');
        const lost = await queryCurves(index, LATER, 'lost');
        assert.deepEqual([lost.steps.length, lost.evaluations[0]!.average], [0, 12]);
        const { stages } = await queryRun(workspace, index, LATER);
        assert.deepEqual([stages[0]!.state, stages[0]!.fromRun, stages[0]!.result!.average], ['cached', RUN, 12]);
      });
    }));

  it('list runs newest first and find one by id, beginning or `last`', () =>
    made.withWorkspace(async (workspace) => {
      await query(workspace, (index) => assert.rejects(findRun(index, 'last'), { reason: 'unknown-run' }));
      made.writeEvents(workspace, RUN, [made.runStarted(RUN, ['a'])]);
      made.writeEvents(workspace, LATER, [made.runStarted(LATER, ['a'])], 1, made.START + 86_400_000);
      await query(workspace, async (index) => {
        assert.deepEqual(
          (await queryRuns(workspace, index)).map(({ id }) => id),
          [LATER, RUN],
        );
        assert.equal(await findRun(index, RUN), RUN);
        assert.equal(await findRun(index, 'law-math-20261124'), RUN);
        assert.equal(await findRun(index, 'last'), LATER);
        await assert.rejects(findRun(index, 'law'), { reason: 'ambiguous-run', message: /2 runs begin with law/ });
        await assert.rejects(findRun(index, 'x'), { reason: 'unknown-run' });
      });
    }));

  it('keep notes, preparation and the reason of a failure', () =>
    made.withWorkspace(async (workspace) => {
      made.writeEvents(workspace, RUN, [
        made.runStarted(RUN, ['a', 'b']),
        { type: 'stage.preparing', stage: 'a', what: 'packing law', done: 2, total: 5 },
        { type: 'note', level: 'warning', message: 'no GPU', stage: 'a' },
        { type: 'stage.failed', stage: 'b', reason: 'not-finite', message: 'The loss became NaN.' },
        { type: 'run.ended', state: 'failed', message: 'b failed', seconds: 3 },
      ]);
      await query(workspace, async (index) => {
        const run = await queryRun(workspace, index, RUN);
        assert.deepEqual([run.state, run.message, run.seconds], ['failed', 'b failed', 3]);
        assert.deepEqual(
          run.stages.map(({ state, detail }) => [state, detail]),
          [
            ['interrupted', 'packing law 2 of 5'],
            ['failed', 'The loss became NaN. (not-finite)'],
          ],
        );
        assert.deepEqual(
          run.notes.map(({ level, stage, message }) => [level, stage, message]),
          [['warning', 'a', 'no GPU']],
        );
      });
    }));
});
