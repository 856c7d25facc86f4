import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { hasCode, RunError } from '../base/errors';
import { isAlive, lockHolder, type LockHolder } from '../base/lock';
import { trainersOf } from '../store/attempts';
import type { Workspace } from '../store/layout';

const POLL_MILLISECONDS = 50;
/** How long a killed process may take to be gone: it may hang in a slow disk. */
const DYING_MILLISECONDS = 10_000;

/** `stopped`: it ended by itself, behind a checkpoint; `killed`: it did not in time, and goes on from its last checkpoint. */
export type StopOutcome = 'stopped' | 'killed' | 'not-running';

/**
 * Ends a run: asks its launcher to save checkpoints, waits up to `graceMilliseconds`, and kills what is left of it, launcher and trainers
 * with their process groups. With 0 it kills at once. No process of the run is left when it returns.
 * Throws a `RunError` (`unknown-run`, `other-machine`, `not-permitted`, `unkillable`).
 */
export async function stopRun(
  workspace: Workspace,
  run: string,
  { graceMilliseconds }: { graceMilliseconds: number },
): Promise<StopOutcome> {
  if (!existsSync(workspace.runFolder(run))) {
    throw new RunError(`There is no run ${run}.`, { reason: 'unknown-run', advice: '`bam runs` lists them.' });
  }
  const launcher = lockHolder(workspace.runLockFile(run));
  // The launcher asks its trainers; trainers without a launcher are asked themselves.
  const asked = launcher ? [launcher] : trainersOf(workspace, run);
  if (!asked.length) return 'not-running';
  const elsewhere = asked.find(({ host }) => host !== hostname());
  if (elsewhere) {
    throw new RunError(
      `Run ${run} is executed by process ${elsewhere.pid} on ${elsewhere.host}, not on this machine.`,
      {
        reason: 'other-machine',
        advice: `Stop it there: bam stop ${run}`,
      },
    );
  }
  const known = processesOf(workspace, run);
  if (graceMilliseconds > 0) for (const { pid } of asked) send(pid, 'SIGTERM');
  if (await allGone(workspace, run, known, graceMilliseconds)) return 'stopped';
  await kill(workspace, run);
  return 'killed';
}

/** The live holders of a run's locks: launcher, then trainers. */
function processesOf(workspace: Workspace, run: string): LockHolder[] {
  return [lockHolder(workspace.runLockFile(run)) ?? [], trainersOf(workspace, run)].flat();
}

/** Waits for processes, and for others that hold the run's locks by then, to be gone; false if they are not in time. */
async function allGone(
  workspace: Workspace,
  run: string,
  known: readonly LockHolder[],
  milliseconds: number,
): Promise<boolean> {
  const isGone = (): boolean => !known.some(isAlive) && !processesOf(workspace, run).length;
  for (const end = Date.now() + milliseconds; Date.now() < end; await setTimeout(POLL_MILLISECONDS)) {
    if (isGone()) return true;
  }
  return isGone();
}

async function kill(workspace: Workspace, run: string): Promise<void> {
  const holders = processesOf(workspace, run).filter(({ host }) => host === hostname());
  // A trainer that just starts holds no lock yet. One that is missed here ends by itself, since its launcher is gone.
  const others = holders.flatMap(({ pid }) => childrenOf(pid));
  // The launcher first, so that it does not take the killing of its trainer for a crash.
  for (const pid of [...holders.map((holder) => holder.pid), ...others]) killGroup(pid);
  if (await allGone(workspace, run, holders, DYING_MILLISECONDS)) return;
  throw new RunError(
    `Run ${run} was killed, but a process of it is still there after ${DYING_MILLISECONDS / 1000} s.`,
    {
      reason: 'unkillable',
      advice: 'It may be waiting for a disk that does not answer. Look at it with your system’s process list.',
    },
  );
}

/** Processes that a process started, where the system says so (Linux). */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killGroup(pid: number): void {
  // A launcher in somebody's script does not lead a group.
  if (process.platform === 'win32' || !send(-pid, 'SIGKILL')) send(pid, 'SIGKILL');
}

/** Sends a signal to a process, or with a negative number to a group; false if there is none. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    if (!hasCode(error, 'EPERM')) throw error;
    throw new RunError(`Process ${Math.abs(pid)} belongs to another user, who has to stop it.`, {
      reason: 'not-permitted',
      cause: error,
    });
  }
}
