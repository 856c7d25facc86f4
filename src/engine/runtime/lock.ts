import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { hasCode } from '../../base/errors';
import { throwIfCancelled } from './tool';

/** The holder renews its lock this often; one that is ten times as old has lost its holder. */
const RENEW_MS = 10_000;
const STALE_MS = 10 * RENEW_MS;
const POLL_MS = 300;

export interface LockOptions {
  /** Called once if another process holds the lock, with its process id. */
  onWait?: (pid: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while holding a lock file, so that two processes never do it at once; waits for another holder. A lock
 * whose process is gone is taken over. Throws an `EngineError` (reason `cancelled`) if the signal fires while waiting.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  let waiting = false;
  while (!tryLock(path)) {
    const holder = lockHolder(path);
    if (!holder) continue;
    if (!waiting) options.onWait?.(holder.pid);
    waiting = true;
    throwIfCancelled(options.signal);
    await setTimeout(POLL_MS);
  }
  const timer = setInterval(() => renew(path), RENEW_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    rmSync(path, { force: true });
  }
}

/** Takes the lock if it is free. */
function tryLock(path: string): boolean {
  try {
    writeFileSync(path, JSON.stringify({ pid: process.pid, host: hostname() }), { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function renew(path: string): void {
  try {
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** Who holds the lock; `undefined` if nobody does. Takes a stale lock out of the way. */
export function lockHolder(path: string): { pid: number } | undefined {
  const holder = readHolder(path);
  if (!holder || isAlive(holder)) return holder;
  // Another process may have taken it over since: then it is fresh, and goes back.
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
    const moved = readHolder(aside);
    if (moved && isAlive(moved)) linkSync(aside, path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'EEXIST')) throw error;
  }
  rmSync(aside, { force: true });
  return undefined;
}

interface Holder {
  pid: number;
  host: string;
  ageMs: number;
}

function readHolder(path: string): Holder | undefined {
  try {
    const ageMs = Date.now() - statSync(path).mtimeMs;
    const text = readFileSync(path, 'utf8');
    // Between a lock's creation and its first byte it is empty.
    return { ...(text ? (JSON.parse(text) as { pid: number; host: string }) : { pid: 0, host: '' }), ageMs };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** A process id says something on its own machine only; elsewhere, and where ids were reused, the age decides. */
function isAlive({ pid, host, ageMs }: Holder): boolean {
  if (ageMs > STALE_MS) return false;
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
