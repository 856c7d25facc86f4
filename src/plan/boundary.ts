import { isAbsolute, relative, resolve } from 'node:path';
import type { Experiment } from '../config/schema';

/**
 * The paths of an experiment that lead out of `root`, as written: globs of corpora, the tokenizer, imported checkpoints. `folder` is the experiment
 * file's own. A symbolic link inside the root counts as inside.
 */
export function pathsOutside(
  { domains, model, stages }: Pick<Experiment, 'domains' | 'model' | 'stages'>,
  folder: string,
  root: string,
): string[] {
  const globs = Object.values(domains).flatMap(({ files }) => files);
  const imports = Object.values(stages).flatMap((stage) => stage.import?.huggingFace ?? []);
  const paths = [...globs, ...(model.tokenizer === 'bytes' ? [] : [model.tokenizer]), ...imports];
  return paths.filter((path) => isOutside(resolve(folder, path.replace(/^!/, '')), root));
}

function isOutside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith('../') || way.startsWith('..\\') || isAbsolute(way);
}
