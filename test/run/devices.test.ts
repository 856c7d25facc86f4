import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { RunEvent } from '../../src/events/event';
import { trainersOf } from '../../src/store/attempts';
import { assertSucceeded, outcome, TestWorkspace, TINY_DATA, untilGone } from './support';

/** A seed, three specialists of it, and a mixture of all: the specialists need only the seed. */
const BRANCHES = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 2560, batch: 4, evaluateEvery: 25, evaluationTokens: 512, checkpointEvery: 20 } }
  a: { from: seed, train: { like: seed, mix: { sums: 1 }, tokens: 10240 } }
  b: { from: seed, train: { like: seed, mix: { prose: 1 }, tokens: 10240 } }
  c: { from: seed, train: { like: seed, mix: equal, tokens: 2560 } }
  mixture: { upcycle: { method: bam, experts: [seed, a, b, c] }, train: { like: seed, mix: equal, tokens: 2560 } }
`;

const TWO_SLOTS = ['--set', 'launch.slots=2'];

/** Stages with one thread each, whether side by side or not: sums of floats depend on the number of threads. */
class OneThread extends TestWorkspace {
  override get environment(): NodeJS.ProcessEnv {
    return { ...super.environment, TF_NUM_INTRAOP_THREADS: '1' };
  }
}

const isStep = (event: RunEvent, stage: string, step: number): boolean =>
  event.type === 'step' && event.stage === stage && event.step >= step;

describe('stages side by side', function () {
  this.timeout(180_000);
  let undisturbed: ReturnType<TestWorkspace['outcome']>;
  let place: TestWorkspace;

  before(async () => {
    const calm = new OneThread(undefined, BRANCHES);
    assertSucceeded(await calm.bam('run', calm.file));
    undisturbed = calm.outcome();
    calm.remove();
    assert.equal(undisturbed.losses.size, 20 + 80 + 80 + 20 + 20);
  });
  beforeEach(() => {
    place = new OneThread(undefined, BRANCHES);
  });
  afterEach(() => place.remove());

  /** Every event of every attempt is in the run's log once. */
  function assertCopiedOnce(): void {
    const sources = place.events().flatMap(({ source }) => (source ? `${source.attempt} ${source.sequence}` : []));
    assert.equal(new Set(sources).size, sources.length);
    assert.deepEqual(
      place.events().map(({ sequence }) => sequence),
      place.events().map((_, i) => i + 1),
    );
  }

  /** Waits until two specialists train. */
  async function untilBoth(run?: string): Promise<void> {
    await place.until((event) => isStep(event, 'a', 5), run);
    await place.until((event) => isStep(event, 'b', 5), run);
  }

  async function resumeAndCompare(): Promise<void> {
    assertSucceeded(await place.bam('resume', 'last'));
    assert.deepEqual(place.outcome(), undisturbed);
    assertCopiedOnce();
    assert.equal(readdirSync(place.workspace.runsFolder).length, 1);
  }

  it('have the numbers of stages one after the other, bit by bit', async () => {
    const run = await place.bam('run', place.file, ...TWO_SLOTS);
    assertSucceeded(run);
    assert.deepEqual(place.outcome(), undisturbed);
    assertCopiedOnce();
    const events = place.events();
    const at = (type: RunEvent['type'], stage: string): number =>
      events.find((event) => event.type === type && 'stage' in event && event.stage === stage)!.time;
    assert.ok(at('stage.started', 'b') < at('stage.finished', 'a'), 'b began before a ended');
    assert.ok(
      at('stage.started', 'c') >= Math.min(at('stage.finished', 'a'), at('stage.finished', 'b')),
      'two at most',
    );
    for (const stage of ['a', 'b', 'c'])
      assert.ok(at('stage.started', 'mixture') >= at('stage.finished', stage), `the mixture waits for ${stage}`);
    assert.match(run.stderr, /Engine: .*, 1 thread\b/);
  });

  it('are shown and stopped together', async () => {
    const long = ['stages.a.train.tokens=2M', 'stages.b.train.tokens=2M'];
    const { run, pid } = await place.detach('run', place.file, ...TWO_SLOTS, '--set', ...long);
    await untilBoth(run);
    assert.equal(trainersOf(place.workspace, run).length, 2);
    const { stages } = await place.show(run);
    assert.deepEqual(
      stages.map(({ name, state }) => `${name} ${state}`),
      ['seed finished', 'a running', 'b running', 'c waiting', 'mixture waiting'],
    );
    assertSucceeded(await place.bam('stop', run));
    await untilGone(pid);
    assert.deepEqual(trainersOf(place.workspace, run), []);
    const stopped = place.events(run).flatMap((event) => (event.type === 'stage.stopped' ? event.stage : []));
    assert.deepEqual(stopped.sort(), ['a', 'b']);
    assert.equal((await place.show(run)).state, 'stopped');
    assertCopiedOnce();
  });

  it('all killed at once are resumed with the same numbers', async () => {
    const { run, pid } = await place.detach('run', place.file, ...TWO_SLOTS);
    await untilBoth(run);
    const processes = [pid, ...trainersOf(place.workspace, run).map((trainer) => trainer.pid)];
    for (const one of processes) process.kill(one, 'SIGKILL');
    await Promise.all(processes.map(untilGone));
    assert.equal((await place.show(run)).state, 'interrupted');
    await resumeAndCompare();
  });

  it('whose launcher was killed save checkpoints, end, and leave a log that is whole', async () => {
    const { run, pid } = await place.detach('run', place.file, ...TWO_SLOTS);
    await untilBoth(run);
    const trainers = trainersOf(place.workspace, run);
    process.kill(pid, 'SIGKILL');
    await Promise.all(trainers.map((trainer) => untilGone(trainer.pid)));
    const stopped = place.events(run).flatMap((event) => (event.type === 'stage.stopped' ? event.stage : []));
    assert.deepEqual(stopped.sort(), ['a', 'b']);
    await resumeAndCompare();
  });

  it('that fail take with them only what needs them', async () => {
    const diverging = ['stages.a.train.peakLearningRate=1e4', 'stages.a.train.clip=1e9', 'stages.a.train.warmup=0'];
    const run = await place.bam('run', place.file, ...TWO_SLOTS, '--set', ...diverging);
    assert.equal(run.code, 1, run.stdout);
    assert.match(run.stderr, /Stage a (diverged|stopped) at step/);
    assert.match(run.stderr, /Stage mixture was left out: it needs stage a/);
    const finished = place.events().flatMap((event) => (event.type === 'stage.finished' ? event.stage : []));
    assert.deepEqual(finished.sort(), ['b', 'c', 'seed']);
  });

  it('of which one is killed: the others go on', async () => {
    const run = place.start('run', place.file, ...TWO_SLOTS);
    await untilBoth();
    process.kill(place.trainerPid(), 'SIGKILL');
    const ended = await outcome(run);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /The trainer of stage [ab] was killed by SIGKILL/);
    assert.equal(place.outcome().averages.size, 3);
    await resumeAndCompare();
  });
});
