import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { acquireLock, lockHolder, type LockHolder } from '../../../src/base/lock';
import { withWorkspace } from '../store/synthetic';

/** Takes a lock, then rewrites who holds it. */
function forgeLock(path: string, change: Partial<LockHolder>): void {
  acquireLock(path, 'run x');
  const holder = JSON.parse(readFileSync(path, 'utf8')) as LockHolder;
  writeFileSync(path, JSON.stringify({ ...holder, ...change }));
}

/** The pid of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}

/** Tries to take the lock in a process of its own, which keeps it until its input closes; says `got` or the error's reason. */
async function tryLock(path: string): Promise<{ outcome: string; end: () => void }> {
  const script = `
    const { acquireLock } = require(${JSON.stringify(resolve(__dirname, '../../../src/base/lock'))});
    try { acquireLock(${JSON.stringify(path)}, 'run x'); console.log('got'); } catch (error) { console.log(error.reason); }
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--require', 'tsx/cjs', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const outcome = await new Promise<string>((done) => child.stdout.once('data', (text) => done(String(text).trim())));
  return { outcome, end: () => child.stdin.end() };
}

describe('a lock', () => {
  it('is refused while its process lives, naming pid and time, and free after its release', () =>
    withWorkspace(({ root }) => {
      const path = join(root, 'lock');
      const lock = acquireLock(path, 'run x');
      assert.throws(() => acquireLock(path, 'run x'), {
        reason: 'locked',
        message: new RegExp(`^run x is in use by process ${process.pid} since \\d{4}-`),
      });
      assert.equal(lockHolder(path)?.pid, process.pid);
      lock.release();
      lock.release();
      assert.equal(lockHolder(path), undefined);
      acquireLock(path, 'run x').release();
      assert.deepEqual(readdirSync(root), ['.bam'], 'nothing stays behind');
    }));

  it('is taken over from a dead process, and from one whose pid now belongs to another', () =>
    withWorkspace(({ root }) => {
      const path = join(root, 'lock');
      for (const change of [{ pid: deadPid() }, { birth: 'earlier-boot:1' }]) {
        if ('birth' in change && !existsSync('/proc/self/stat')) continue;
        forgeLock(path, change);
        assert.equal(lockHolder(path), undefined);
        const lock = acquireLock(path, 'run x');
        assert.equal(lockHolder(path)?.pid, process.pid);
        lock.release();
      }
      assert.deepEqual(readdirSync(root), ['.bam']);
    }));

  it('of another machine counts as held, and the advice names the file', () =>
    withWorkspace(({ root }) => {
      const path = join(root, 'lock');
      forgeLock(path, { host: 'node-17', pid: deadPid() });
      assert.throws(
        () => acquireLock(path, 'run x'),
        (error: Error & { advice: string }) => error.message.includes('on node-17') && error.advice.includes(path),
      );
    }));

  it('is not removed by a holder that lost it', () =>
    withWorkspace(({ root }) => {
      const path = join(root, 'lock');
      const lost = acquireLock(path, 'run x');
      forgeLockOf(path);
      lost.release();
      assert.ok(existsSync(path));
    }));

  it('goes to one of several processes that take over a stale one at once', async () => {
    await withWorkspace(async ({ root }) => {
      const path = join(root, 'lock');
      forgeLock(path, { pid: deadPid() });
      const tries = await Promise.all(Array.from({ length: 4 }, () => tryLock(path)));
      for (const { end } of tries) end();
      assert.deepEqual(tries.map(({ outcome }) => outcome).sort(), ['got', 'locked', 'locked', 'locked']);
    });
  });
});

/** Makes the lock someone else's. */
function forgeLockOf(path: string): void {
  const holder = JSON.parse(readFileSync(path, 'utf8')) as LockHolder;
  writeFileSync(path, JSON.stringify({ ...holder, token: 'another' }));
}
