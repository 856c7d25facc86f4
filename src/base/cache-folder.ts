import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

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
