import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { denseArchitecture } from '../architecture/architecture';
import { BamError, hasCode } from '../base/errors';
import { type Diagnostic, formatDiagnostic } from '../config/diagnostics';
import { parseExperiment } from '../config/parse';
import { applySettings } from '../config/settings';
import type { Experiment } from '../config/schema';
import type { Source } from '../config/source';
import { findCorpus } from '../data/corpus';
import { FileHashes } from '../data/hashes';
import { hashesPath } from '../data/prepare';
import { loadTokenizer } from '../data/tokenizer';
import { planStages } from './graph';
import type { Plan, PlannedDomain } from './plan';

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
 * (globs without files, a tokenizer that does not load) among them.
 */
export async function planFile(
  file: string,
  dataFolder: string,
  settings: readonly string[] = [],
): Promise<PlannedFile> {
  const text = applySettings(readExperimentFile(file), settings);
  const { experiment, mistakes, source } = parseExperiment(text);
  if (!experiment) throw new ExperimentError(file, mistakes);
  const folder = resolve(dirname(file));
  const found = await findInputs(experiment, source, folder, dataFolder);
  if ('mistakes' in found) throw new ExperimentError(file, found.mistakes);
  const { tokenizer, domains } = found;
  const inputs = { dense: denseArchitecture(experiment.model, tokenizer.vocabulary), folder, tokenizer, domains };
  const { name, seed } = experiment;
  const plan = { name, seed, backend: experiment.engine.backend, folder, tokenizer, domains };
  return { plan: { ...plan, stages: planStages(experiment, inputs) }, text };
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

/** The error of a corpus or tokenizer, at the place in the file that names it. */
function dataMistake(source: Source, path: string[], error: BamError): Diagnostic {
  const expected = path[0] === 'model' ? 'a tokenizer that can be used' : 'a corpus that can be used';
  const found = `a problem: ${error.message.replace(/\.$/, '')}`;
  return source.at(path, expected, error.advice ? `${found}. ${error.advice}` : found);
}

type Found = Pick<Plan, 'tokenizer' | 'domains'> | { mistakes: Diagnostic[] };

/** Looks up the tokenizer and every domain; what fails becomes a diagnostic at its place in the file. */
async function findInputs(experiment: Experiment, source: Source, folder: string, dataFolder: string): Promise<Found> {
  const mistakes: Diagnostic[] = [];
  const attempt = async <T>(path: string[], work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BamError)) throw error;
      mistakes.push(dataMistake(source, path, error));
      return undefined;
    }
  };
  const loaded = await attempt(['model', 'tokenizer'], () => loadTokenizer(experiment.model.tokenizer, folder));
  const hashes = FileHashes.load(hashesPath(dataFolder));
  const domains: PlannedDomain[] = [];
  for (const [name, config] of Object.entries(experiment.domains)) {
    const corpus = await attempt(['domains', name, 'files'], () => findCorpus(name, config, folder, hashes));
    if (!corpus) continue;
    const { fingerprint, files, bytes } = corpus;
    domains.push({ name, config, fingerprint, files: files.length, bytes });
  }
  hashes.save();
  if (!loaded || mistakes.length) return { mistakes };
  const { name, vocabulary, fingerprint } = loaded;
  return { tokenizer: { name, vocabulary, fingerprint }, domains };
}
