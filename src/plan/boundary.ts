import { isAbsolute, relative, resolve } from 'node:path';
import type { Experiment } from '../config/schema';

/**
 * The paths of an experiment that lead out of `root`, as written: globs of corpora, files of tasks and the tokenizer. `folder` is the experiment
 * file's own. A symbolic link inside the root counts as inside.
 */
export function pathsOutside(
  { domains, model, tasks = {} }: Pick<Experiment, 'domains' | 'model' | 'tasks'>,
  folder: string,
  root: string,
): string[] {
  const globs = Object.values(domains).flatMap(({ files }) => files);
  const files = Object.values(tasks).map(({ file }) => file);
  const paths = [...globs, ...files, ...(model.tokenizer === 'bytes' ? [] : [model.tokenizer])];
  return paths.filter((path) => isOutside(resolve(folder, path.replace(/^!/, '')), root));
}

function isOutside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith('../') || way.startsWith('..\\') || isAbsolute(way);
}
