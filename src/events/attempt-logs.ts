import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { RunError } from '../base/errors';
import { type Lock, waitForLock } from '../base/lock';
import type { RunEvent } from './event';
import { EventLog, readLog } from './log';

/** The log of a run, its lock, and the folder with the logs of its attempts: `<stage>/<number>.ndjson`. Absolute paths. */
export interface RunLog {
  eventsFile: string;
  lockFile: string;
  attemptsFolder: string;
}

/** What a copied event says of the attempt that it came from; the path of the attempt's log without its ending. */
export function attemptName(stage: string, number: number): string {
  return `${encodeURIComponent(stage)}/${number}`;
}

/**
 * Copies the logs of a run's attempts into the run's log, whose writer it is given. Each copied event names its attempt and its number
 * there, so that whoever copies next goes on behind it, however this process ended.
 */
export class AttemptLogs {
  private readonly copied = new Map<string, { sequence: number; offset: number }>();

  /** `events` is what the run's log has so far. */
  constructor(
    private readonly folder: string,
    private readonly log: EventLog,
    events: readonly RunEvent[],
  ) {
    for (const { source } of events) if (source) this.copied.set(source.attempt, { ...source, offset: 0 });
  }

  /** Copies what is new of every attempt, in the order of the attempts at a stage. */
  copyAll(): void {
    if (!existsSync(this.folder)) return;
    for (const stage of readdirSync(this.folder)) this.copyFolder(stage);
  }

  /** Copies what is new of the attempts at one stage. */
  copyStage(stage: string): void {
    if (existsSync(join(this.folder, encodeURIComponent(stage)))) this.copyFolder(encodeURIComponent(stage));
  }

  private copyFolder(stage: string): void {
    const names = readdirSync(join(this.folder, stage));
    const numbers = names.flatMap((name) => /^(\d+)\.ndjson$/.exec(name)?.[1] ?? []).map(Number);
    // What an attempt writes when a later one has begun counts no more: on a node that was given up it may still be at work.
    const current = Math.max(0, ...numbers.filter((number) => this.copied.has(`${stage}/${number}`)));
    for (const number of numbers.sort((a, b) => a - b)) if (number >= current) this.copy(`${stage}/${number}`);
  }

  /** Copies what is new of one attempt, up to its last whole line. */
  copy(attempt: string): void {
    const copied = this.copied.get(attempt) ?? { sequence: 0, offset: 0 };
    this.copied.set(attempt, copied);
    const { events, offset, problems } = readLog(join(this.folder, `${attempt}.ndjson`), copied.offset);
    for (const message of problems) this.log.append({ type: 'note', level: 'warning', message });
    const fresh = events.filter(({ sequence }) => sequence > copied.sequence);
    for (const { sequence, source: _source, time, ...body } of fresh) {
      this.log.append(body, time, { attempt, sequence });
      copied.sequence = sequence;
    }
    copied.offset = offset;
    if (fresh.some(({ type }) => type !== 'step')) this.log.flush();
  }
}

/**
 * Copies what the attempts of a run wrote into its log, if no launcher has the run: for a trainer that outlived its launcher, and for who
 * reads the log of a run that was killed. Waits `milliseconds` for others that do the same.
 */
export async function catchUp({ eventsFile, lockFile, attemptsFolder }: RunLog, milliseconds: number): Promise<void> {
  const lock = await takeLock(lockFile, milliseconds);
  if (!lock) return;
  try {
    const { log, events, repaired } = EventLog.open(eventsFile);
    try {
      if (repaired) log.append({ type: 'note', level: 'warning', message: repaired });
      new AttemptLogs(attemptsFolder, log, events).copyAll();
    } finally {
      log.close();
    }
  } finally {
    lock.release();
  }
}

async function takeLock(lockFile: string, milliseconds: number): Promise<Lock | undefined> {
  try {
    return await waitForLock(lockFile, 'The run', milliseconds);
  } catch (error) {
    if (error instanceof RunError && error.reason === 'locked') return undefined;
    throw error;
  }
}
