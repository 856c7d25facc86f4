import { lstatSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { userCacheFolder } from '../../base/cache-folder';
import { hasCode } from '../../base/errors';

/** The TensorFlow release whose wheel is used. Another release needs a look at `HEADERS` in unpack.ts and at the wheel's tags in download.ts. */
export const TENSORFLOW_VERSION = '2.21.0';

/** Where everything of one variant lies. What ends in `ing` is unfinished work of a step: renamed when the step is done. */
export interface RuntimePlace {
  variant: string;
  gpu: boolean;
  folder: string;
  /** Held while an installation or a removal is at work. */
  lock: string;
  /** Written last: the runtime is installed when it exists. */
  record: string;
  downloading: string;
  downloaded: string;
  /** Names, sizes and SHA-256 of the downloaded wheels; stays when they go. */
  wheels: string;
  unpacking: string;
  unpacked: string;
  binding: string;
}

/** The folder that holds the runtimes of this user: `BAM_RUNTIME_FOLDER`, else a folder in the platform's place for caches. */
export function runtimeFolder(): string {
  const { BAM_RUNTIME_FOLDER } = process.env;
  return BAM_RUNTIME_FOLDER ? resolve(BAM_RUNTIME_FOLDER) : join(userCacheFolder(), 'runtime');
}

/** The paths of one variant of the runtime. */
export function runtimePlace(gpu: boolean): RuntimePlace {
  const variant = `${gpu ? 'gpu' : 'cpu'}-${TENSORFLOW_VERSION}`;
  const folder = join(runtimeFolder(), variant);
  return {
    variant,
    gpu,
    folder,
    lock: `${folder}.lock`,
    record: join(folder, 'runtime.json'),
    downloading: join(folder, 'downloading'),
    downloaded: join(folder, 'downloaded'),
    wheels: join(folder, 'wheels.json'),
    unpacking: join(folder, 'unpacking'),
    unpacked: join(folder, 'unpacked'),
    binding: join(folder, 'tfjs_binding.node'),
  };
}

/** Size in bytes of all files in a folder; 0 where there is none. Files may come and go meanwhile. */
export function folderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? folderBytes(path) : fileBytes(path);
  }
  return bytes;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function fileBytes(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** A size for people: `274 MB`, `1.3 GB` (decimal units, as disks are sold). */
export function formatBytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
