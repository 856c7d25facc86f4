import { RunError } from '../base/errors';
import { acquireLock, type Claim, type OwnLock } from '../base/lock';
import type { TrainerOrder } from '../plan/order';

/** How long the trainer of a cluster's job may be silent before other machines take it for dead: a step or an evaluation may take minutes. */
const LEASE_MILLISECONDS = 15 * 60_000;
const RENEW_MILLISECONDS = 20_000;

/**
 * The right of this process to work on a stage: the lock of the stage of the run, and that of the stage's checkpoints. A cluster may start a
 * job again whose node it lost, where the first trainer may still be at work: the later attempt takes the locks, and the earlier must not
 * write checkpoints any more.
 */
export class Ownership {
  private renewed = Date.now();

  private constructor(
    private readonly locks: readonly OwnLock[],
    private readonly isLeased: boolean,
  ) {}

  /** Throws a `RunError` (`locked`). */
  static take({ run, stage, trainerLockFile, stageLockFile, job }: TrainerOrder, attempt: number): Ownership {
    const claim: Claim = job ? { lease: LEASE_MILLISECONDS, attempt: { at: `${run}/${stage}`, number: attempt } } : {};
    const first = acquireLock(trainerLockFile, `Stage ${stage} of run ${run}`, claim);
    return new Ownership([first, acquireLock(stageLockFile, `Stage ${stage}`, claim)], job !== undefined);
  }

  /** Says now and then that this process lives. False once another attempt has taken over. */
  keep(): boolean {
    if (!this.isLeased || Date.now() - this.renewed < RENEW_MILLISECONDS) return true;
    this.renewed = Date.now();
    return this.locks.every((lock) => lock.renew());
  }

  /** Throws a `RunError` (`superseded`) where another attempt has taken over. */
  assert(): void {
    if (!this.isLeased || this.locks.every((lock) => lock.renew())) return;
    throw new RunError('A later attempt works on this stage; this one writes no more.', { reason: 'superseded' });
  }

  release(): void {
    for (const lock of this.locks) lock.release();
  }
}
