import { basename } from 'node:path';
import { explainError, RunError } from '../base/errors';
import { type OwnLock, waitForLock } from '../base/lock';
import { AttemptLogs } from '../events/attempt-logs';
import type { EventBody } from '../events/event';
import { EventLog } from '../events/log';
import type { Workspace } from '../store/layout';

/** How long a run may be held by a trainer without a launcher that copies its log, or by another reader that does. */
const COPYING_MILLISECONDS = 500;

/** For other machines: a run whose lock was not renewed for so long has lost its launcher. */
const LEASE_MILLISECONDS = 120_000;
const RENEW_MILLISECONDS = 15_000;

/** A run that this process executes: its lock, and its log, into which the logs of its attempts are copied. */
export class RunSession {
  private readonly begun = Date.now();
  private readonly renewing = setInterval(() => this.lock.renew(), RENEW_MILLISECONDS).unref();

  private constructor(
    private readonly lock: OwnLock,
    private readonly log: EventLog,
    /** Those of the run's attempts. */
    readonly attempts: AttemptLogs,
  ) {}

  /** Takes the lock of a run whose folder exists, opens its log and copies what earlier attempts left. Throws a `RunError` (`locked`). */
  static async open(workspace: Workspace, run: string): Promise<RunSession> {
    const { lockFile, eventsFile, attemptsFolder } = workspace.runLog(run);
    const claim = { lease: LEASE_MILLISECONDS };
    const lock = await waitForLock(lockFile, `Run ${run}`, COPYING_MILLISECONDS, claim);
    try {
      const { log, repaired, events } = EventLog.open(eventsFile);
      const session = new RunSession(lock, log, new AttemptLogs(attemptsFolder, log, events));
      if (repaired) session.append({ type: 'note', level: 'warning', message: repaired });
      session.attempts.copyAll();
      return session;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  append(event: EventBody): void {
    this.log.append(event);
    this.log.flush();
  }

  /** The last event of a run, with the time since this session began. */
  end(outcome: { state: 'finished' | 'stopped' | 'failed'; message?: string }): void {
    this.append({ type: 'run.ended', ...outcome, seconds: (Date.now() - this.begun) / 1000 });
  }

  /** Hands the open log to `work`, e.g. to copy events into it. */
  use<T>(work: (log: EventLog) => T): T {
    return work(this.log);
  }

  /** Throws a `RunError` (`taken-over`) where another machine took this process for dead and goes on with the run. */
  assertOwner(): void {
    if (this.lock.renew()) return;
    throw new RunError('Another process has taken over this run.', {
      reason: 'taken-over',
      advice: 'This machine may have slept, or lost its disk for a while. `bam show RUN` says how the run goes.',
    });
  }

  close(): void {
    clearInterval(this.renewing);
    this.log.close();
    this.lock.release();
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
