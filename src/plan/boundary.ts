import { isAbsolute, relative, resolve } from 'node:path';
import type { Experiment } from '../config/schema';

/**
 * The paths of an experiment that lead out of `root`, as written: globs of corpora, files of tasks, the tokenizer, imported checkpoints.
 * `folder` is the experiment file's own. A symbolic link inside the root counts as inside.
 */
export function pathsOutside(
  { domains, model, stages, tasks = {} }: Pick<Experiment, 'domains' | 'model' | 'stages' | 'tasks'>,
  folder: string,
  root: string,
): string[] {
  const globs = Object.values(domains).flatMap(({ files }) => files);
  const files = Object.values(tasks).map(({ file }) => file);
  const imports = Object.values(stages).flatMap((stage) => stage.import?.huggingFace ?? []);
  const tokenizer = model.tokenizer === 'bytes' ? [] : [model.tokenizer];
  return globsOutside([...globs, ...files, ...tokenizer, ...imports], folder, root);
}

/** Those of some paths or globs that lead out of `root`; relative ones are read from `folder`. */
export function globsOutside(paths: readonly string[], folder: string, root: string): string[] {
  return paths.filter((path) => isOutside(resolve(folder, path.replace(/^!/, '')), root));
}

function isOutside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith('../') || way.startsWith('..\\') || isAbsolute(way);
}
