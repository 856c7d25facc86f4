import { spawnSync } from 'node:child_process';
import { parse } from 'node:path';

/** What a repository's own settings could make git run, turned off: the folder may be somebody else's. */
const HARMLESS = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '--no-optional-locks'];

/** The git commit of a folder, with ` dirty` appended if files differ from it; `undefined` outside git or without git. */
export function gitCommit(folder: string): string | undefined {
  const git = (...args: string[]): string | undefined => {
    // Windows looks for a program in the folder that it starts in before it looks along the path.
    const cwd = parse(process.execPath).root;
    const options = { cwd, encoding: 'utf8', timeout: 10_000 } as const;
    const { status, stdout } = spawnSync('git', [...HARMLESS, '-C', folder, ...args], options);
    return status === 0 ? stdout.trim() : undefined;
  };
  const commit = git('rev-parse', 'HEAD');
  if (!commit) return undefined;
  return git('status', '--porcelain', '--ignore-submodules=dirty') ? `${commit} dirty` : commit;
}
