import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import type { Experiment } from '../config/schema';

type Reading = Pick<Experiment, 'domains' | 'model' | 'stages' | 'tasks'>;

/** Every path that an experiment reads, as written: globs of corpora, files of tasks, the tokenizer, imported checkpoints. */
export function pathsRead({ domains, model, stages, tasks = {} }: Reading): string[] {
  const globs = Object.values(domains).flatMap(({ files }) => files);
  const files = Object.values(tasks).map(({ file }) => file);
  const imports = Object.values(stages).flatMap((stage) => stage.import?.huggingFace ?? []);
  const tokenizer = model.tokenizer === 'bytes' ? [] : [model.tokenizer];
  return [...globs, ...files, ...tokenizer, ...imports];
}

/** Those of some paths or globs that lead out of `root`, as written; relative ones are read from `folder`. Links are not looked at. */
export function globsOutside(paths: readonly string[], folder: string, root: string): string[] {
  return paths.filter((path) => isOutside(resolve(folder, path.replace(/^!/, '')), root));
}

/**
 * Those of some paths or globs that lead out of `root`, as written or by symbolic links in what there is: of files that a glob matches,
 * of folders on the way, of what lies in an imported checkpoint or beside a tokenizer.
 */
export async function leadingOutside(paths: readonly string[], folder: string, root: string): Promise<string[]> {
  const real = realpathSync(root);
  const found: string[] = [];
  for (const path of paths) {
    if (globsOutside([path], folder, root).length) found.push(path);
    else if (!path.startsWith('!') && (await filesOf(path, folder)).some((file) => isOutside(realPath(file), real)))
      found.push(path);
  }
  return found;
}

async function filesOf(path: string, folder: string): Promise<string[]> {
  const whole = resolve(folder, path);
  const stats = statSync(whole, { throwIfNoEntry: false });
  if (!stats) return glob(path, { cwd: folder, absolute: true, followSymbolicLinks: false });
  if (stats.isDirectory()) return [whole, ...readdirSync(whole).map((name) => join(whole, name))];
  const beside = join(dirname(whole), 'tokenizer_config.json');
  return existsSync(beside) ? [whole, beside] : [whole];
}

/** A link that leads nowhere is no way out. */
function realPath(file: string): string {
  return existsSync(file) ? realpathSync(file) : realpathSync(dirname(file));
}

function isOutside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way === '..' || way.startsWith('../') || way.startsWith('..\\') || isAbsolute(way);
}
