import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RunError } from '../base/errors';
import { loadCheckpoint } from '../checkpoint/checkpoint';
import { loadTokenizer } from '../data/tokenizer';
import { exportModel } from '../interop/export';
import type { ExportFormat } from '../interop/export-formats';
import { mergeAdapters } from '../interop/merge-adapters';
import type { Plan } from '../plan/plan';
import type { Workspace } from '../store/layout';
import { stageCheckpoint } from './stage-checkpoint';

export interface StageExport {
  run: string;
  stage: string;
  /** The folder to be made. */
  to: string;
  format?: ExportFormat | undefined;
}

/** What was written. */
export interface ExportedStage {
  folder: string;
  format: ExportFormat;
  step: number;
  /** False where the tokenizer is `bytes`, which has no tokenizer.json. */
  hasTokenizer: boolean;
}

/**
 * Exports the last checkpoint of a finished stage for transformers, with the run's tokenizer; adapters of one expert are merged into the
 * weights. Throws a `RunError` (`no-plan`,
 * `unknown-stage`, `ensemble`, `not-finished`, `tokenizer-changed`), and what `loadCheckpoint`, `mergeAdapters`, `loadTokenizer` and `exportModel` throw.
 */
export function exportStage(workspace: Workspace, { run, stage: name, to, format }: StageExport): ExportedStage {
  const { plan, path, step } = stageCheckpoint(workspace, run, name);
  const { architecture, parameters } = mergeAdapters(loadCheckpoint(path, 'model'));
  const { endOfDocument, files } = tokenizerOf(plan, run);
  const written = exportModel({ architecture, parameters, to, format, endOfDocument, files });
  return { folder: resolve(to), format: written, step, hasTokenizer: files.length > 0 };
}

/** The run's tokenizer, which has to be what it was trained with, and its files. */
function tokenizerOf({ tokenizer, folder }: Plan, run: string) {
  const { endOfDocument, fingerprint } = loadTokenizer(tokenizer.name, folder);
  if (fingerprint !== tokenizer.fingerprint) {
    throw new RunError(`The tokenizer ${tokenizer.name} is not the one that run ${run} was trained with.`, {
      reason: 'tokenizer-changed',
      advice: 'Put the file back as it was.',
    });
  }
  if (tokenizer.name === 'bytes') return { endOfDocument, files: [] };
  const path = resolve(folder, tokenizer.name);
  const config = join(dirname(path), 'tokenizer_config.json');
  const files = [{ name: 'tokenizer.json', path }];
  if (existsSync(config)) files.push({ name: 'tokenizer_config.json', path: config });
  return { endOfDocument, files };
}
