import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { RunError } from '../base/errors';
import { checkpointName, loadCheckpoint } from '../checkpoint/checkpoint';
import { loadTokenizer } from '../data/tokenizer';
import { exportModel } from '../interop/export';
import type { ExportFormat } from '../interop/export-formats';
import { mergeAdapters } from '../interop/merge-adapters';
import type { Plan } from '../plan/plan';
import { checkpointsFolder } from '../plan/result';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { finishedResult } from './finished';

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
  const plan = planOf(workspace, run);
  const stage = plan.stages.find((candidate) => candidate.name === name);
  if (!stage) {
    throw new RunError(
      `Run ${run} should have a stage ${name}, but has ${plan.stages.map((s) => s.name).join(', ')}.`,
      {
        reason: 'unknown-stage',
        advice: '`bam show RUN` lists the stages of a run.',
      },
    );
  }
  if (stage.ensemble) {
    throw new RunError(`Stage ${name} is an ensemble, which has no checkpoint to export.`, {
      reason: 'ensemble',
      advice: `Export its members: ${stage.parents.map((parent) => parent.name).join(', ')}.`,
    });
  }
  const folder = checkpointsFolder(workspace.stagesFolder, stage.key);
  const result = finishedResult(workspace, stage);
  if (!result) {
    throw new RunError(`Stage ${name} of run ${run} should be finished, but is not.`, {
      reason: 'not-finished',
      advice: `\`bam resume ${run}\` goes on with it.`,
    });
  }
  const { step } = result;
  const { architecture, parameters } = mergeAdapters(loadCheckpoint(join(folder, checkpointName(step)), 'model'));
  const { endOfDocument, files } = tokenizerOf(plan, run);
  const written = exportModel({ architecture, parameters, to, format, endOfDocument, files });
  return { folder: resolve(to), format: written, step, hasTokenizer: files.length > 0 };
}

function planOf(workspace: Workspace, run: string): Plan {
  const plan = readPlan(workspace, run);
  if (plan) return plan;
  throw new RunError(`Run ${run} has no plan.json that can be read: it never began, or the file is damaged.`, {
    reason: 'no-plan',
    advice: '`bam runs` lists the runs of this workspace.',
  });
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
