import { setTimeout } from 'node:timers/promises';
import { RunError } from '../../base/errors';
import { acquireLock, type Lock, lockHolder } from '../../base/lock';
import { throwIfCancelled } from './tool';

const POLL_MILLISECONDS = 300;

export interface LockOptions {
  /** Called once if another process holds the lock, with its process id. */
  onWait?: (pid: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while holding a lock file, so that two installations never run at once; waits for another holder.
 * Throws an `EngineError` (reason `cancelled`) if the signal fires while waiting.
 */
export async function withLock<T>(path: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const lock = await takeLock(path, options);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function takeLock(path: string, { onWait, signal }: LockOptions): Promise<Lock> {
  for (let isWaiting = false; ; isWaiting = true) {
    throwIfCancelled(signal);
    try {
      return acquireLock(path, 'The native runtime');
    } catch (error) {
      if (!(error instanceof RunError) || error.reason !== 'locked') throw error;
      const holder = lockHolder(path);
      if (!isWaiting && holder) onWait?.(holder.pid);
    }
    await setTimeout(POLL_MILLISECONDS);
  }
}
