import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BamError, hasCode } from '../base/errors';
import { type Diagnostic, formatDiagnostic } from '../config/diagnostics';
import { parseExperiment } from '../config/parse';
import { applySettings } from '../config/settings';
import type { Experiment } from '../config/schema';
import type { Source } from '../config/source';
import { checkInstructions, findCorpus } from '../data/corpus';
import { FileHashes } from '../data/hashes';
import { hashesPath } from '../data/prepare';
import { loadTask, type TaskSource } from '../data/tasks';
import { loadTokenizer } from '../data/tokenizer';
import { checkImports, findImport, type FoundImport } from './imports';
import type { Plan, PlannedDomain, PlannedTask } from './plan';
import { contextsOf, denseOf, planVariants, seedsOf } from './variants';

/** An experiment file with mistakes. `diagnostics` has every one of them; the message lists them all. */
export class ExperimentError extends BamError {
  constructor(
    readonly file: string,
    readonly diagnostics: readonly Diagnostic[],
  ) {
    const count = diagnostics.length === 1 ? 'a mistake' : `${diagnostics.length} mistakes`;
    const lines = diagnostics.map((diagnostic) => `  ${formatDiagnostic(file, diagnostic)}`);
    super(`${file} has ${count}:\n${lines.join('\n')}`, { reason: 'experiment-file' });
  }
}

/** A planned experiment and the text it was planned from (with `--set` applied). */
export interface PlannedFile {
  plan: Plan;
  text: string;
}

/**
 * Reads, checks and plans an experiment file. `settings` are `path=value` pairs that replace values of the file.
 * `dataFolder` keeps the memo of content hashes. Throws an `ExperimentError` with every mistake found, those of the data
 * (globs without files, a tokenizer that does not load, a checkpoint that cannot be imported) among them.
 */
export async function planFile(
  file: string,
  dataFolder: string,
  settings: readonly string[] = [],
): Promise<PlannedFile> {
  return planText(readExperimentFile(file), file, dataFolder, settings);
}

/** `planFile` for a text that need not be on disk yet; `file` says where it belongs, since its globs are relative to that. */
export async function planText(
  text: string,
  file: string,
  dataFolder: string,
  settings: readonly string[] = [],
): Promise<PlannedFile> {
  const changed = applySettings(text, settings);
  const { experiment, mistakes, source } = parseExperiment(changed);
  if (!experiment) throw new ExperimentError(file, mistakes);
  const folder = resolve(dirname(file));
  const data = await findData(experiment, folder, dataFolder);
  const plan = planWithData(experiment, folder, data);
  if (!plan) throw new ExperimentError(file, dataMistakes(source, data));
  return { plan, text: changed };
}

/** The plan of an experiment whose data was looked up before; `undefined` where some of it cannot be used. Reads no file. */
export function planWithData(experiment: Experiment, folder: string, data: FoundData): Plan | undefined {
  const { tokenizer, domains, tasks } = data;
  if (!tokenizer || data.problems.length) return undefined;
  const { name } = experiment;
  const seed = seedsOf(experiment)[0]!;
  const { launch } = experiment;
  const { backend, step } = experiment.engine;
  const own = { name, seed, backend, step, ...(launch && { launch }) };
  const plan = { ...own, folder, tokenizer, domains, ...(tasks.length && { tasks }) };
  return { ...plan, stages: planVariants(experiment, { imports: data.imports, folder, tokenizer, domains }) };
}

function readExperimentFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'EISDIR')) throw error;
    throw new BamError(`There is no experiment file ${file}.`, {
      reason: 'no-file',
      advice: 'Give the path of a *.bam.yaml file; examples/quickstart.bam.yaml is one.',
      cause: error,
    });
  }
}

/** What an experiment's corpora, tokenizer, tasks and imported checkpoints turned out to be. */
export interface FoundData {
  /** `undefined` where it cannot be loaded. */
  tokenizer: Plan['tokenizer'] | undefined;
  /** Those that can be used. */
  domains: PlannedDomain[];
  tasks: PlannedTask[];
  /** Imported checkpoints by stage, those that can be used. */
  imports: ReadonlyMap<string, FoundImport>;
  /** What cannot be used, with the place in the file that names it. */
  problems: { path: string[]; error: BamError }[];
}

/**
 * Looks up the tokenizer, every domain, task and imported checkpoint of an experiment that lies in `folder`. Reads the whole text of files that
 * the memo of content hashes in `dataFolder` does not know. Throws the signal's reason, or a system error; what cannot be used is no error.
 */
export async function findData(
  experiment: Experiment,
  folder: string,
  dataFolder: string,
  signal?: AbortSignal,
): Promise<FoundData> {
  const problems: FoundData['problems'] = [];
  const attempt: Attempt = async (path, work) => {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      if (!(error instanceof BamError)) throw error;
      problems.push({ path, error });
      return undefined;
    }
  };
  const loaded = await attempt(['model', 'tokenizer'], () => loadTokenizer(experiment.model.tokenizer, folder));
  const hashes = FileHashes.load(hashesPath(dataFolder));
  const domains: PlannedDomain[] = [];
  for (const [name, config] of Object.entries(experiment.domains)) {
    const corpus = await attempt(['domains', name, 'files'], async () => {
      const found = await findCorpus(name, config, folder, hashes, signal);
      await checkInstructions(found, signal);
      return found;
    });
    if (!corpus) continue;
    const { fingerprint, files, bytes } = corpus;
    domains.push({ name, config, fingerprint, files: files.length, bytes });
  }
  const contexts = contextsOf(experiment);
  const imports = new Map<string, FoundImport>();
  for (const [name, { import: config }] of Object.entries(experiment.stages)) {
    if (!config) continue;
    const found = await attempt(['stages', name, 'import', 'huggingFace'], () =>
      findImport(config, Math.max(...contexts), folder, hashes, signal),
    );
    if (found) imports.set(name, found);
  }
  hashes.save();
  const tasks = loaded
    ? await findTasks(experiment, { folder, tokenizer: loaded, context: Math.min(...contexts) }, attempt)
    : [];
  const tokenizer = loaded && {
    name: loaded.name,
    vocabulary: loaded.vocabulary,
    fingerprint: loaded.fingerprint,
  };
  // All dense models have one shape where none is imported and none is split.
  if (tokenizer && (imports.size || Object.values(experiment.stages).some(({ split }) => split))) {
    problems.push(...checkImports(experiment, imports, denseOf(experiment, tokenizer), tokenizer.vocabulary));
  }
  return { tokenizer, domains, tasks, imports, problems };
}

type Attempt = <T>(path: string[], work: () => T | Promise<T>) => Promise<T | undefined>;

/** Reads every example of every task, so that a mistake in one shows before anything trains. */
async function findTasks({ tasks = {} }: Experiment, source: TaskSource, attempt: Attempt): Promise<PlannedTask[]> {
  const found: PlannedTask[] = [];
  for (const [name, config] of Object.entries(tasks)) {
    const task = await attempt(['tasks', name, 'file'], () => loadTask(name, config, source));
    if (task) found.push({ name, config, fingerprint: task.fingerprint, examples: task.examples.length });
  }
  return found;
}

const EXPECTED: Record<string, string> = {
  model: 'a tokenizer',
  domains: 'a corpus',
  tasks: 'a task',
  stages: 'a checkpoint',
};

/** The problems of an experiment's data as mistakes at the places of the file that name it. */
export function dataMistakes(source: Source, data: FoundData): Diagnostic[] {
  return data.problems.map(({ path, error }) => {
    const expected = `${EXPECTED[path[0]!]} that can be used`;
    const found = `a problem: ${error.message.replace(/\.$/, '')}`;
    return source.at(path, expected, error.advice ? `${found}. ${error.advice}` : found);
  });
}
