import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Lock } from '../../../src/base/lock';
import { queueFolder, waitForTurn } from '../../../src/launch/queue';

describe('the queue', () => {
  let folder: string;
  const before = process.env.BAM_QUEUE_FOLDER;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-queue-'));
    process.env.BAM_QUEUE_FOLDER = folder;
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
    if (before === undefined) delete process.env.BAM_QUEUE_FOLDER;
    else process.env.BAM_QUEUE_FOLDER = before;
  });

  const tickets = (device = 'cpu'): string[] => {
    const path = join(folder, hostname(), device);
    return existsSync(path) ? readdirSync(path) : [];
  };

  /** Waits in this process; `told` collects the numbers ahead. */
  function wait(device = 'cpu'): { turn: Promise<Lock | undefined>; told: number[]; stop: () => void } {
    const told: number[] = [];
    const { signal, abort } = stopper();
    return { turn: waitForTurn({ device, signal, onAhead: (ahead) => told.push(ahead) }), told, stop: abort };
  }

  /** Waits in a process of its own, which says `ahead N` and `turn`, and ends with `process.exit` on a signal. */
  async function waitElsewhere(until: string): Promise<ChildProcess> {
    const script = `
      const { waitForTurn } = require(${JSON.stringify(resolve(__dirname, '../../../src/launch/queue'))});
      process.on('SIGTERM', () => process.exit(130));
      setInterval(() => {}, 1000);
      const onAhead = (ahead) => console.log('ahead ' + ahead);
      void waitForTurn({ device: 'cpu', signal: new AbortController().signal, onAhead }).then(() => console.log('turn'));`;
    const child = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let printed = '';
    for await (const chunk of child.stdout) {
      printed += String(chunk);
      if (printed.includes(until)) break;
    }
    return child;
  }

  it('lets one run use a device at a time, in the order in which they came, and says how many are ahead', async () => {
    const first = wait();
    const turn = await first.turn;
    const second = wait();
    await setTimeout(5);
    const third = wait();
    await setTimeout(50);
    assert.deepEqual([first.told, second.told, third.told], [[], [1], [2]]);
    let isThirdIn = false;
    void third.turn.then(() => (isThirdIn = true));
    turn!.release();
    const next = await second.turn;
    await setTimeout(300);
    assert.deepEqual([second.told, third.told, isThirdIn], [[1, 0], [2, 1], false]);
    next!.release();
    (await third.turn)!.release();
    assert.deepEqual(third.told, [2, 1, 0]);
    assert.deepEqual(tickets(), []);
  });

  it('does not let devices wait for each other', async () => {
    const cpu = await wait('cpu').turn;
    const other = await wait('gpu-0').turn;
    assert.ok(other);
    other.release();
    cpu!.release();
  });

  it('ends the waiting at once when told to, and leaves no ticket', async () => {
    const turn = await wait().turn;
    const second = wait();
    const began = Date.now();
    second.stop();
    assert.equal(await second.turn, undefined);
    assert.ok(Date.now() - began < 150, 'it does not wait for the next look');
    assert.equal(tickets().length, 1);
    turn!.release();
  });

  it('lets nobody in beside a run, even if a clock that went back puts a ticket before its own', async (): Promise<void> => {
    const turn = await wait().turn;
    const now = Date.now;
    Date.now = () => now() - 3_600_000;
    const early = wait();
    Date.now = now;
    let isIn = false;
    void early.turn.then(() => (isIn = true));
    await setTimeout(500);
    assert.deepEqual([isIn, early.told], [false, [1]]);
    turn!.release();
    (await early.turn)!.release();
  });

  it('passes over a killed run and a killed waiter', async () => {
    const running = await waitElsewhere('turn');
    const waiting = await waitElsewhere('ahead 1');
    const own = wait();
    await setTimeout(50);
    assert.deepEqual(own.told, [2]);
    for (const child of [waiting, running]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    (await own.turn)!.release();
    assert.equal(own.told.at(-1), 0);
    assert.equal(tickets().length, 2, 'tickets of the dead stay for a while; they count for nothing');
    const { told, turn } = wait();
    (await turn)!.release();
    assert.deepEqual(told, []);
  });

  it('leaves nothing behind where a process ends itself, running or waiting', async () => {
    const running = await waitElsewhere('turn');
    const waiting = await waitElsewhere('ahead 1');
    for (const child of [waiting, running]) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    assert.deepEqual(readdirSync(join(folder, hostname()), { recursive: true }), ['cpu']);
  });

  it('lies in the user’s cache folder, beside the runtime', () => {
    delete process.env.BAM_QUEUE_FOLDER;
    const cache = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = '/caches';
    try {
      assert.equal(queueFolder(), '/caches/bam-studio/queue');
    } finally {
      if (cache === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = cache;
    }
  });
});

function stopper(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
