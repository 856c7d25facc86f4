import { spawnSync } from 'node:child_process';

/** The git commit of a folder, with ` dirty` appended if files differ from it; `undefined` outside git or without git. */
export function gitCommit(folder: string): string | undefined {
  const git = (...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync('git', args, { cwd: folder, encoding: 'utf8', timeout: 10_000 });
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git('rev-parse', 'HEAD');
  if (!commit) return undefined;
  return git('status', '--porcelain') ? `${commit} dirty` : commit;
}
