import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/event';
import { stopRun } from '../../src/launch/stop';
import { assertSucceeded, outcome, TestWorkspace, untilGone } from './support';

const LONG = ['--set', 'stages.seed.train.tokens=1M'];

describe('runs of one machine', function () {
  this.timeout(120_000);
  let first: TestWorkspace;
  let second: TestWorkspace;

  beforeEach(() => {
    first = new TestWorkspace();
    // Runs of another workspace, in the same queue.
    second = new (class extends TestWorkspace {
      override get environment(): NodeJS.ProcessEnv {
        return { ...process.env, BAM_QUEUE_FOLDER: join(first.root, '.queue') };
      }
    })();
  });
  afterEach(async () => {
    for (const [place, run] of [
      [first, 'one'],
      [second, 'two'],
    ] as const) {
      await stopRun(place.workspace, run, { graceMilliseconds: 0 }).catch(() => undefined);
      place.remove();
    }
  });

  const isQueued = (event: RunEvent): boolean => event.type === 'run.queued';
  const ahead = (place: TestWorkspace, run: string): number[] =>
    place.events(run).flatMap((event) => (event.type === 'run.queued' ? event.ahead : []));
  const timeOf = (place: TestWorkspace, run: string, type: RunEvent['type']): number =>
    place.events(run).find((event) => event.type === type)!.time;

  it('train one after the other, across workspaces, and say for how many they wait', async () => {
    const { pid } = await first.detach('run', first.file, '--id', 'one');
    await first.until((event) => event.type === 'stage.started', 'one');
    const waiting = second.start('run', second.file, '--id', 'two');
    await second.until(isQueued, 'two');
    const ended = await outcome(waiting);
    assertSucceeded(ended);
    assert.match(ended.stderr, /waiting for 1 run /);
    assert.deepEqual(ahead(second, 'two'), [1, 0]);
    assert.ok(timeOf(second, 'two', 'stage.started') >= timeOf(first, 'one', 'run.ended'));
    assert.deepEqual(second.outcome('two'), first.outcome('one'), 'waiting changes no number');
    await untilGone(pid);
    assert.deepEqual(first.tickets(), []);
  });

  it('take what the run that they waited for has finished from the cache', async () => {
    await first.detach('run', first.file, '--stages', 'seed', '--id', 'one');
    await first.until((event) => event.type === 'stage.started', 'one');
    const waiting = first.start('run', first.file, '--stages', 'seed', '--id', 'same');
    assertSucceeded(await outcome(waiting));
    assert.deepEqual(ahead(first, 'same'), [1, 0]);
    const cached = first.events('same').find((event) => event.type === 'stage.cached');
    assert.equal(cached?.fromRun, 'one');
  });

  it('do not wait where nothing has to be trained', async () => {
    assertSucceeded(await second.bam('run', second.file, '--stages', 'seed', '--id', 'trained'));
    await first.detach('run', first.file, ...LONG, '--id', 'one');
    await first.until((event) => event.type === 'stage.started', 'one');
    assertSucceeded(await second.bam('run', second.file, '--stages', 'seed', '--id', 'two'));
    assert.deepEqual(ahead(second, 'two'), []);
  });

  it('go on when the one ahead is killed, and leave no ticket when Ctrl-C comes twice', async () => {
    const { pid } = await first.detach('run', first.file, ...LONG, '--id', 'one');
    await first.until((event) => event.type === 'step', 'one');
    const third = second.start('run', second.file, '--set', 'seed=5', '--id', 'three');
    await second.until(isQueued, 'three');
    const impatient = outcome(third);
    third.kill('SIGINT');
    third.kill('SIGINT');
    await impatient;
    assert.equal(first.tickets().length, 1);

    const waiting = second.start('run', second.file, '--stages', 'seed', '--id', 'two');
    await second.until(isQueued, 'two');
    process.kill(pid, 'SIGKILL');
    assertSucceeded(await outcome(waiting));
    assert.deepEqual(ahead(second, 'two'), [1, 0]);
  });
});
