import type { Lock } from '../base/lock';
import type { Attempt } from '../store/attempts';
import type { TrainerEnd } from './trainer';

/** A trainer at work on an attempt. */
export interface Job {
  /** Settles when the trainer has ended and its log is complete; it never rejects. */
  readonly end: Promise<TrainerEnd>;
  /** Asks the trainer to save a checkpoint and end. Harmless when called again. */
  stop(): void;
}

/** Where the trainers of a run are executed. The log of an attempt is read from its file, whatever executes it. */
export interface Launcher {
  /** How many trainers may be at work at a time. */
  readonly slots: number;
  /** How often the logs of attempts at work are looked at. */
  readonly pollMilliseconds: number;
  /**
   * Waits for the right to use the devices, before the first trainer of a run; released when the run ends. `undefined` if the signal came
   * first. `onAhead` is told how many runs are ahead of this one each time that changes, then 0.
   */
  takeTurn(waiting: {
    signal: AbortSignal;
    onAhead: (device: string, ahead: number) => void;
  }): Promise<Lock | undefined>;
  /** Starts a trainer on the order in `attempt.orderFile`. Called with fewer than `slots` at work. */
  submit(attempt: Attempt): Promise<Job>;
  /**
   * Waits until the trainer of the latest attempt is gone that an earlier launcher of the run submitted. Throws a `RunError` (`locked`) if it is
   * there and does not end.
   */
  recover(attempt: Attempt): Promise<void>;
}
