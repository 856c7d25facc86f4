import { posix, win32 } from 'node:path';

/** Whether a text can name one file or folder, wherever it came from: no way up or down, on no system. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[\\/:\0]/.test(name);
}

/** Whether a path stays below the folder that it is relative to, on every system. */
export function staysBelow(path: string): boolean {
  if (posix.isAbsolute(path) || win32.isAbsolute(path) || /^[A-Za-z]:/.test(path)) return false;
  return !path.split(/[\\/]/).includes('..') && !path.includes('\0');
}
