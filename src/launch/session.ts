import { basename } from 'node:path';
import { explainError } from '../base/errors';
import { acquireLock, type Lock, waitForLock } from '../base/lock';
import type { EventBody } from '../events/event';
import { EventLog } from '../events/log';
import type { Workspace } from '../store/layout';

/** How long a resumed run waits for a trainer that its dead launcher left behind, which saves a checkpoint and ends. */
const ORPHAN_MILLISECONDS = 60_000;

/** A run that this process executes: its lock, and the launcher's end of the log, closed while a trainer writes to it. */
export class RunSession {
  private readonly begun = Date.now();

  private constructor(
    private readonly eventsFile: string,
    private readonly lock: Lock,
    private log: EventLog | undefined,
  ) {}

  /** Takes the lock of a run whose folder exists and opens its log. Throws a `RunError` (`locked`). */
  static async open(workspace: Workspace, run: string): Promise<RunSession> {
    const lock = await lockRun(workspace, run);
    try {
      const path = workspace.eventsFile(run);
      const { log, repaired } = EventLog.open(path);
      const session = new RunSession(path, lock, log);
      if (repaired) session.append({ type: 'note', level: 'warning', message: repaired });
      return session;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  append(event: EventBody): void {
    this.log!.append(event);
    this.log!.flush();
  }

  /** The last event of a run, with the time since this session began. */
  end(outcome: { state: 'finished' | 'stopped' | 'failed'; message?: string }): void {
    this.append({ type: 'run.ended', ...outcome, seconds: (Date.now() - this.begun) / 1000 });
  }

  /** Hands the open log to `work`, e.g. to copy events into it. */
  use<T>(work: (log: EventLog) => T): T {
    return work(this.log!);
  }

  /** Lets another process write: closes the log, and opens it again behind what was written. */
  async lend<T>(work: () => Promise<T>): Promise<T> {
    this.closeLog();
    try {
      return await work();
    } finally {
      this.log = EventLog.open(this.eventsFile).log;
    }
  }

  close(): void {
    this.closeLog();
    this.lock.release();
  }

  private closeLog(): void {
    this.log?.close();
    this.log = undefined;
  }
}

/** Takes the run's lock, and makes sure that no trainer of a dead launcher still writes to its log. */
async function lockRun(workspace: Workspace, run: string): Promise<Lock> {
  const lock = acquireLock(workspace.runLockFile(run), `Run ${run}`);
  try {
    (await waitForLock(workspace.trainerLockFile(run), `Run ${run}'s trainer`, ORPHAN_MILLISECONDS)).release();
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

export interface Announcement {
  workspace: Workspace;
  run: string;
  /** The experiment file's path. */
  file: string;
  version: string;
  /** The run has a log and goes on. */
  isResumed: boolean;
  signal: AbortSignal;
}

/**
 * Runs `work`, which plans and executes a run, with a log that says from the first moment that the run has begun, and why it failed. For
 * a launcher that nobody watches. Throws what `work` throws, and a `RunError` (`locked`).
 */
export async function withAnnouncedRun<T>(
  { workspace, run, file, version, isResumed, signal }: Announcement,
  work: (session: RunSession) => Promise<T>,
): Promise<T> {
  const session = await RunSession.open(workspace, run);
  try {
    const experiment = basename(file).replace(/(\.bam)?\.ya?ml$/, '');
    session.append(
      isResumed
        ? { type: 'run.resumed', version }
        : { type: 'run.started', run, experiment, file, version, stages: [] },
    );
    return await work(session);
  } catch (error) {
    session.end(signal.aborted ? { state: 'stopped' } : { state: 'failed', message: explainError(error) });
    throw error;
  } finally {
    session.close();
  }
}
