import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Runs `work` with a folder on a disk of so many kilobytes. Mounting one needs root on Linux: elsewhere the test is skipped,
 * which its title should say.
 */
export async function withSmallDisk(
  test: Mocha.Context,
  kilobytes: number,
  work: (folder: string) => void | Promise<void>,
): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) test.skip();
  const folder = mkdtempSync(join(tmpdir(), 'bam-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    // A container's root may not mount.
    rmdirSync(folder);
    test.skip();
  }
  try {
    await work(folder);
  } finally {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  }
}
