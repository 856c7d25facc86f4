import { createReadStream } from 'node:fs';
import { DataError, hasCode } from '../base/errors';

/** How much of a file is read at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Longest line of a .jsonl file, in bytes. */
export const MAXIMUM_LINE_BYTES = 64 * 1024 * 1024;

/** Told of every read, with its bytes. May throw, which ends the reading: so a user cancels it. */
export type OnRead = (bytes: number) => void;

/**
 * The content of a file in chunks, without the byte order mark that some editors write in front.
 * Throws a `DataError` (`unreadable`) if the file is gone or may not be read.
 */
export async function* readChunks(path: string, onRead: OnRead): AsyncGenerator<Buffer> {
  let isFirst = true;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
      onRead(chunk.length);
      const content = isFirst ? withoutMark(chunk) : chunk;
      isFirst = false;
      if (content.length) yield content;
    }
  } catch (error) {
    throw readError(error, path);
  }
}

function withoutMark(chunk: Buffer): Buffer {
  return chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf ? chunk.subarray(3) : chunk;
}

/** Turns a file that is gone or forbidden into an error that says so; anything else comes back unchanged. */
export function readError(error: unknown, path: string): unknown {
  const isGone = hasCode(error, 'ENOENT');
  if (!isGone && !hasCode(error, 'EACCES') && !hasCode(error, 'EPERM')) return error;
  return new DataError(`${path} ${isGone ? 'was there a moment ago but is gone' : 'cannot be read by this user'}.`, {
    reason: 'unreadable',
    advice: isGone ? 'Run again when nothing changes the corpus any more.' : 'Change its permissions, or the glob.',
    cause: error,
  });
}

/** One line of a file, without its line end; lines count from 1. */
export interface Line {
  number: number;
  bytes: Buffer;
}

/** The lines of a file. Throws a `DataError` (`line-too-long`) beyond `MAXIMUM_LINE_BYTES`. */
export async function* readLines(path: string, onRead: OnRead): AsyncGenerator<Line> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let number = 1;
  for await (const chunk of readChunks(path, onRead)) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield { number, bytes: Buffer.concat([...held, chunk.subarray(start, end)]) };
      number += 1;
      start = end + 1;
      held = [];
      heldBytes = 0;
    }
    held.push(chunk.subarray(start));
    heldBytes += chunk.length - start;
    if (heldBytes > MAXIMUM_LINE_BYTES) throw lineTooLong(path, number);
  }
  if (heldBytes) yield { number, bytes: Buffer.concat(held) };
}

function lineTooLong(path: string, number: number): DataError {
  return new DataError(
    `${path}:${number}: the line has more than ${MAXIMUM_LINE_BYTES} bytes, the limit of this program.`,
    {
      reason: 'line-too-long',
      advice: 'Split the document into several, one a line.',
    },
  );
}
