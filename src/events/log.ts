import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { diskError } from '../base/files';
import { type EventBody, type EventSource, parseEvent, type RunEvent } from './event';

/** Longest line that a reader accepts, in bytes. */
export const MAXIMUM_LINE_LENGTH = 4 * 1024 * 1024;

/** Bytes read at once: about what a caller that takes a log in parts uses of them. */
const CHUNK_LENGTH = 1 << 17;

/** Problems of one read that are told one by one; more are counted. */
const MAXIMUM_PROBLEMS = 5;

/** What a reader found: whole events, where the next read goes on, and what it could not use. */
export interface LogPart {
  events: RunEvent[];
  /** Byte offset behind the last whole line. */
  offset: number;
  /** Problems in plain words, e.g. a damaged line with its byte offset. */
  problems: string[];
}

/**
 * Reads the events of a log from a byte offset to its last whole line. A line that is cut short stays for the next read;
 * a damaged line is skipped and named in `problems`. A missing file reads as empty. Stops behind `maximumEvents`, for a
 * caller that takes a long log in parts.
 */
export function readLog(path: string, offset = 0, maximumEvents = Infinity): LogPart {
  if (!existsSync(path)) return { events: [], offset: 0, problems: [] };
  const part: LogPart = { events: [], offset, problems: [] };
  const handle = openSync(path, 'r');
  try {
    const end = fstatSync(handle).size;
    const chunk = Buffer.alloc(CHUNK_LENGTH);
    let rest: Buffer = Buffer.alloc(0);
    for (let at = offset; at < end && part.events.length < maximumEvents;) {
      const length = readSync(handle, chunk, 0, chunk.length, at);
      if (length === 0) break;
      at += length;
      rest = takeLines(path, Buffer.concat([rest, chunk.subarray(0, length)]), part, maximumEvents);
    }
  } finally {
    closeSync(handle);
  }
  const untold = part.problems.length - MAXIMUM_PROBLEMS;
  if (untold > 0) part.problems.splice(MAXIMUM_PROBLEMS, untold, `${path}: skipped ${untold} more lines like these`);
  return part;
}

/** Moves whole lines of `bytes` into `part`; returns what is left: a cut line, unless `maximumEvents` is reached. */
function takeLines(path: string, bytes: Buffer, part: LogPart, maximumEvents: number): Buffer {
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0 && part.events.length < maximumEvents; end = bytes.indexOf(10, start)) {
    readLine(path, bytes.subarray(start, end), part);
    part.offset += end + 1 - start;
    start = end + 1;
  }
  return bytes.subarray(start);
}

function readLine(path: string, line: Buffer, part: LogPart): void {
  if (line.length === 0) return;
  const where = `${path}, byte ${part.offset}`;
  if (line.length > MAXIMUM_LINE_LENGTH) {
    part.problems.push(`${where}: skipped a line of ${line.length} bytes (the limit is ${MAXIMUM_LINE_LENGTH})`);
    return;
  }
  try {
    part.events.push(parseEvent(JSON.parse(line.toString('utf8'))));
  } catch {
    part.problems.push(`${where}: skipped a line that is not an event`);
  }
}

/** Appends events to the log of one run. One process at a time may hold a writer (the run's lock sees to it). */
export class EventLog {
  private sequence: number;
  private readonly handle: number;

  private constructor(
    private readonly path: string,
    lastSequence: number,
  ) {
    this.sequence = lastSequence;
    this.handle = openSync(path, 'a');
  }

  /**
   * Opens a log for appending, new or old. A last line that a crash cut short is removed; `repaired` then says so.
   * The caller closes the log. `events` is what the log has so far.
   */
  static open(path: string): { log: EventLog; repaired: string | undefined; events: RunEvent[] } {
    const { events, offset, problems } = readLog(path);
    const size = existsSync(path) ? statSync(path).size : 0;
    let repaired: string | undefined;
    if (size > offset) {
      const handle = openSync(path, 'r+');
      ftruncateSync(handle, offset);
      closeSync(handle);
      repaired = `The last line of ${path} was cut short by a crash; its ${size - offset} bytes were removed.`;
    }
    // A damaged line had a number too, and whoever read it before the damage knows that number.
    const lines = events.length + problems.length;
    return { log: new EventLog(path, Math.max(events.at(-1)?.sequence ?? 0, lines)), repaired, events };
  }

  /**
   * Appends one event; `time` and `source` are given for events that are copied from another log. Throws a `BamError` (reason
   * `no-space`) when the disk is full; no part of a line stays then.
   */
  append(body: EventBody, time = Date.now(), source?: EventSource): RunEvent {
    const event = { sequence: this.sequence + 1, time, ...(source && { source }), ...body } as RunEvent;
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    const before = fstatSync(this.handle).size;
    try {
      const written = writeSync(this.handle, line);
      if (written < line.length) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
    } catch (error) {
      ftruncateSync(this.handle, before);
      throw diskError(error, this.path);
    }
    this.sequence = event.sequence;
    return event;
  }

  /** Flushes what was appended to the disk. Called where losing events would lose more than a few points of a curve. */
  flush(): void {
    fsyncSync(this.handle);
  }

  close(): void {
    fsyncSync(this.handle);
    closeSync(this.handle);
  }
}
