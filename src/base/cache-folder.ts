import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { BamError } from './errors';
import { diskError } from './files';

/** The folder of this program in the platform's place for what a user can do without. Is not created. */
export function userCacheFolder(): string {
  return join(platformFolder(), 'bam-studio');
}

function platformFolder(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches');
  if (process.platform === 'win32' && LOCALAPPDATA) return LOCALAPPDATA;
  return join(homedir(), '.cache');
}

/** The same, made for this user alone. Throws a `BamError` (`unsafe-folder`, `read-only`). */
export function privateCacheFolder(): string {
  const folder = userCacheFolder();
  makePrivate(folder);
  return folder;
}

/**
 * Makes a folder that only this user can change, since programs are started from it; one that others of a group may change loses that. Throws
 * a `BamError` (`unsafe-folder`) where it is another user's. Windows keeps others out of a user's folders by itself.
 */
export function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    if (uid === process.getuid?.() && mode & 0o022) chmodSync(folder, 0o700);
    requireOwn(folder);
  } catch (error) {
    throw diskError(error, folder);
  }
}

/** Throws a `BamError` (`unsafe-folder`) for a folder that another user, who is not the machine's own, can change. */
export function requireOwn(folder: string): void {
  const own = process.getuid?.();
  const { uid, mode } = statSync(folder);
  if (own === undefined || ((uid === own || uid === 0) && !(mode & 0o002))) return;
  throw new BamError(
    `${folder} holds programs and should be yours alone, but user ${uid} owns it, with the rights ${(mode & 0o777).toString(8)}.`,
    {
      reason: 'unsafe-folder',
      advice: 'Delete it, or set XDG_CACHE_HOME or BAM_RUNTIME_FOLDER to a folder of your own.',
    },
  );
}
