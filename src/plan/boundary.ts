import { isAbsolute, relative, resolve } from 'node:path';
import type { Experiment } from '../config/schema';

/**
 * The paths of an experiment that lead out of `root`, as written: globs of corpora and the tokenizer. `folder` is the experiment
 * file's own. A symbolic link inside the root counts as inside.
 */
export function pathsOutside(
  { domains, model }: Pick<Experiment, 'domains' | 'model'>,
  folder: string,
  root: string,
): string[] {
  const globs = Object.values(domains).flatMap(({ files }) => files);
  const paths = [...globs, ...(model.tokenizer === 'bytes' ? [] : [model.tokenizer])];
  return paths.filter((path) => isOutside(resolve(folder, path.replace(/^!/, '')), root));
}

function isOutside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith('../') || way.startsWith('..\\') || isAbsolute(way);
}
