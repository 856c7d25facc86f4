import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { requireOwn } from '../../base/cache-folder';
import { EngineError, hasCode } from '../../base/errors';
import { readJson } from '../../base/files';
import { folderBytes, runtimeFolder, runtimePlace, type RuntimePlace } from './folder';
import { lockHolder } from '../../base/lock';

const recordSchema = z.object({
  variant: z.string(),
  /** TensorFlow's version, as the library says it. */
  version: z.string(),
  gpu: z.boolean(),
  /** Size on disk. */
  bytes: z.number(),
  /** Of TensorFlow's wheel. */
  sha256: z.string(),
  installedAt: z.iso.datetime(),
});

/** What `runtime.json` says. */
export type RuntimeRecord = z.output<typeof recordSchema>;

/** A runtime that was installed and verified. `gpu` is its kind; whether it finds a GPU shows when it loads. */
export interface InstalledRuntime extends RuntimeRecord {
  folder: string;
  /** The N-API module to load. */
  binding: string;
}

/** The installed runtime, the one for GPUs if both are there; `undefined` if there is none. */
export function installedRuntime(): InstalledRuntime | undefined {
  return readRuntime(runtimePlace(true)) ?? readRuntime(runtimePlace(false));
}

/** The runtime at one place, if its installation was finished and its parts are still there. Throws a `BamError` (`unsafe-folder`). */
export function readRuntime(place: RuntimePlace): InstalledRuntime | undefined {
  if (!existsSync(place.record) || !existsSync(place.binding) || !existsSync(place.unpacked)) return undefined;
  requireOwn(place.folder);
  const record = recordSchema.safeParse(readJson(place.record));
  return record.success ? { ...record.data, folder: place.folder, binding: place.binding } : undefined;
}

/**
 * Deletes every runtime of this user, finished or not, of this version of the program or another.
 * Returns the bytes freed. Throws an `EngineError` (reason `busy`) while one is being installed.
 */
export function removeRuntime(): number {
  const folder = runtimeFolder();
  if (!existsSync(folder)) return 0;
  // BAM_RUNTIME_FOLDER may name a folder with other things in it: only our own go.
  const own = readdirSync(folder).filter((name) => /^(cpu|gpu)-[\d.]+$/.test(name));
  let bytes = 0;
  for (const path of own.map((name) => join(folder, name))) {
    const holder = lockHolder(`${path}.lock`);
    if (holder) throw busy(path, holder.pid);
    bytes += folderBytes(path);
    rmSync(path, { recursive: true, force: true });
  }
  removeIfEmpty(folder);
  return bytes;
}

function busy(path: string, pid: number): EngineError {
  return new EngineError(`${path} is being installed by process ${pid}.`, {
    reason: 'busy',
    advice: 'Wait for it, or end it, and run this again.',
  });
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY')) throw error;
  }
}
