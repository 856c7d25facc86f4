import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { isAlive, lockHolder, type LockHolder } from '../../src/base/lock';
import { stopRun } from '../../src/launch/stop';
import { trainersOf } from '../../src/store/attempts';
import { assertSucceeded, isThere, outcome, TestWorkspace, untilGone } from './support';

/** A run that would go on for minutes. */
const LONG = ['--set', 'stages.seed.train.tokens=1M'];

/** Only there can it be told which processes a process started, and when. */
const LINUX = '/proc/self/stat';

describe('stopping a run', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  beforeEach(() => {
    place = new TestWorkspace();
  });
  afterEach(async () => {
    for (const run of ['long', 'waiting']) {
      await stopRun(place.workspace, run, { graceMilliseconds: 0 }).catch(() => undefined);
    }
    place.remove();
  });

  /** Starts a run that trains; gives the processes of it. */
  async function start(): Promise<{ run: string; launcher: number; trainer: number }> {
    const { run, pid } = await place.detach('run', place.file, ...LONG, '--id', 'long');
    await place.until((event) => event.type === 'step' && event.step === 25, run);
    return { run, launcher: pid, trainer: place.trainerPid(run) };
  }

  const state = async (run: string): Promise<string> => (await place.show(run)).state;

  it('saves a checkpoint first; no process, lock or ticket is left', async () => {
    const { run, launcher, trainer } = await start();
    const stopped = await place.bam('stop', run, '--json');
    assertSucceeded(stopped);
    assert.deepEqual([isThere(launcher), isThere(trainer)], [false, false]);
    assert.deepEqual(JSON.parse(stopped.stdout), { run, outcome: 'stopped' });
    const events = place.events(run);
    const last = events.findLast((event) => event.type === 'step')!.step;
    assert.equal(events.findLast((event) => event.type === 'checkpoint')!.step, last, 'no step is lost');
    assert.equal(await state(run), 'stopped');
    assert.deepEqual(place.tickets(), []);
    assert.equal(lockHolder(place.workspace.runLockFile(run)), undefined);
    assert.match((await place.bam('stop', run)).stdout, /is not running/);
  });

  it('kills a launcher that does not answer, and its trainer; the next run does not wait for the dead', async () => {
    const { run, launcher, trainer } = await start();
    process.kill(launcher, 'SIGSTOP');
    assert.equal(await stopRun(place.workspace, run, { graceMilliseconds: 500 }), 'killed');
    assert.deepEqual([isThere(launcher), isThere(trainer)], [false, false]);
    assert.equal(await state(run), 'interrupted');
    const next = place.start('run', place.file, '--stages', 'seed', '--id', 'next');
    assertSucceeded(await outcome(next));
    assert.ok(!place.events('next').some((event) => event.type === 'run.queued'));
  });

  it('with --now kills both at once; the run goes on from its last checkpoint', async () => {
    const { run, launcher, trainer } = await start();
    const killed = await place.bam('stop', run, '--now');
    assertSucceeded(killed);
    assert.match(killed.stdout, /was killed/);
    assert.deepEqual([isThere(launcher), isThere(trainer)], [false, false]);
    await place.detach('resume', run);
    const isRestart = (event: { type: string; fromStep?: number }): boolean =>
      event.type === 'stage.started' && event.fromStep! >= 20;
    await place.until(isRestart, run);
  });

  it('kills a trainer that hangs after its launcher is gone', async () => {
    const { run, launcher, trainer } = await start();
    process.kill(trainer, 'SIGSTOP');
    process.kill(launcher, 'SIGKILL');
    await untilGone(launcher);
    assert.equal(await state(run), 'running', 'its trainer still holds the log');
    assert.equal(await stopRun(place.workspace, run, { graceMilliseconds: 300 }), 'killed');
    assert.ok(!isThere(trainer));
  });

  it('kills a trainer that has just been started and holds no lock yet', async function () {
    if (!existsSync(LINUX)) return this.skip();
    const { run, pid } = await place.detach('run', place.file, ...LONG, '--id', 'long');
    const children = `/proc/${pid}/task/${pid}/children`;
    let trainer = 0;
    while (!trainer) trainer = Number(readFileSync(children, 'utf8').trim().split(' ')[0]);
    process.kill(trainer, 'SIGSTOP');
    assert.deepEqual(trainersOf(place.workspace, run), [], 'it was caught before it took its lock');
    assert.equal(await stopRun(place.workspace, run, { graceMilliseconds: 0 }), 'killed');
    await untilGone(trainer);
  });

  it('ends one that waits for its turn, and leaves the others alone', async () => {
    const { run, launcher } = await start();
    const waiting = await place.detach('run', place.file, '--set', 'seed=4', '--id', 'waiting');
    await place.until((event) => event.type === 'run.queued', waiting.run);
    const { state: queued, stages } = await place.show(waiting.run);
    assert.deepEqual([queued, ...stages.map((stage) => stage.state)], ['queued', 'waiting', 'waiting', 'waiting']);
    const refused = await place.bam('delete', waiting.run);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /cannot be deleted while process \d+ works on it/);

    assert.equal(await stopRun(place.workspace, waiting.run, { graceMilliseconds: 30_000 }), 'stopped');
    assert.equal(place.tickets().length, 1);
    assert.equal(await state(waiting.run), 'stopped');
    assertSucceeded(await place.bam('delete', waiting.run));
    assert.equal(await state(run), 'running');
    assert.ok(isThere(launcher));
  });

  it('does not kill a process that got the number of a dead launcher', async function () {
    if (!existsSync(LINUX)) return this.skip();
    const { run } = await start();
    await stopRun(place.workspace, run, { graceMilliseconds: 0 });
    // The lock of the dead launcher, with the number of this process.
    const path = place.workspace.runLockFile(run);
    const holder = JSON.parse(readFileSync(path, 'utf8')) as LockHolder;
    assert.ok(!isAlive({ ...holder, pid: process.pid }));
    assert.equal(await stopRun(place.workspace, run, { graceMilliseconds: 0 }), 'not-running');
  });
});
