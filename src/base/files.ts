import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BamError, CheckpointError, hasCode } from './errors';

/** Flushes a folder's entries to disk, so that a rename in it survives a power cut. Not supported on Windows, where it does nothing. */
export function syncFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Writes a file so that a reader sees the old content or the new, never a part: beside, flushed, renamed.
 * Throws a `BamError` (reason `no-space`) when the disk is full; the old file then stays as it was.
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const handle = openSync(temporary, 'w');
    try {
      writeFileSync(handle, content);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw diskError(error, path);
  }
}

/**
 * Makes a folder that appears whole or not at all: `fill` writes into one beside it, which is renamed. `to` is absolute, and must not exist or be
 * empty. Throws a `CheckpointError` (`exists`); a `BamError` (`no-space`, `read-only`).
 */
export function writeNewFolder<T>(to: string, fill: (temporary: string) => T): T {
  if (existsSync(to) && !(statSync(to).isDirectory() && !readdirSync(to).length)) {
    throw new CheckpointError(`${to} should be a new or an empty folder, but is not.`, {
      reason: 'exists',
      advice: 'Name another folder, or delete this one first.',
    });
  }
  const temporary = join(dirname(to), `.${basename(to)}.${process.pid}.tmp`);
  try {
    mkdirSync(temporary, { recursive: true });
    const result = fill(temporary);
    rmSync(to, { recursive: true, force: true });
    renameSync(temporary, to);
    syncFolder(dirname(to));
    return result;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw diskError(error, to);
  }
}

/** Writes all bytes to an open file: `writeSync` may write less than asked for, above all on a disk that fills up. */
export function writeAll(handle: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;) {
    const written = writeSync(handle, bytes, done, Math.min(bytes.length - done, 1 << 30));
    if (written === 0) throw Object.assign(new Error('no byte could be written'), { code: 'ENOSPC' });
    done += written;
  }
}

/** Turns a full or read-only disk into an error that says what to do; anything else comes back unchanged. */
export function diskError(error: unknown, path: string): unknown {
  if (hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT')) {
    return new BamError(`No space left on the disk that holds ${path}.`, {
      reason: 'no-space',
      advice: 'Free some space (old runs under .bam/ are the first place to look), then run again with --resume.',
      cause: error,
    });
  }
  if (hasCode(error, 'EROFS') || hasCode(error, 'EACCES')) {
    return new BamError(`${path} cannot be written: its folder is read-only for this user.`, {
      reason: 'read-only',
      advice: 'Run in a folder that you can write to, or change its permissions.',
      cause: error,
    });
  }
  return error;
}

/** Most levels of lists and objects within each other that a JSON file may have; ours have ten. Deeper ones could not be written again. */
const MAXIMUM_DEPTH = 200;

/** Whether lists and objects of a JSON text are nested deeper than any reader needs. Brackets in texts don't count. */
export function isDeepJson(text: string): boolean {
  let [depth, isText] = [0, false];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isText) {
      if (code === 92) i++;
      else if (code === 34) isText = false;
    } else if (code === 34) isText = true;
    else if (code === 91 || code === 123) depth++;
    else if (code === 93 || code === 125) depth--;
    if (depth > MAXIMUM_DEPTH) return true;
  }
  return false;
}

/** Reads a JSON file; `undefined` where there is none. A file that is not JSON, or nested too deep, throws with its path. */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  if (isDeepJson(text)) {
    throw new BamError(`${path} should hold JSON of at most ${MAXIMUM_DEPTH} levels, but has more.`, {
      reason: 'not-json',
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BamError(`${path} should hold JSON but does not (${(error as Error).message}).`, {
      reason: 'not-json',
      cause: error,
    });
  }
}
