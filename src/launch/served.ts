import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { RunError } from '../base/errors';
import { MODEL_FILE, readProvenance } from '../checkpoint/checkpoint';
import type { Plan } from '../plan/plan';
import { namedExperts } from '../plan/expert-names';
import type { ServedCheckpoint } from '../plan/serving';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { stageCheckpoint } from './stage-checkpoint';

/** A checkpoint as a serving process is asked for it, and what is to compute it. */
export interface Servable {
  served: ServedCheckpoint;
  backend: Plan['backend'];
}

/** The last checkpoint of a finished stage. Throws what `stageCheckpoint` throws. */
export function servedStage(workspace: Workspace, run: string, stage: string): Servable {
  const { plan, path } = stageCheckpoint(workspace, run, stage);
  return { served: servedOf(plan, stage, path), backend: plan.backend };
}

/**
 * The checkpoint in a folder; names of experts and the tokenizer's place come from its run, where that is in the same workspace. Throws a
 * `RunError` (`no-checkpoint`, `no-tokenizer`), and a `CheckpointError` where its model file is damaged.
 */
export function servedFolder(folder: string): Servable {
  const checkpoint = resolve(folder);
  if (!existsSync(join(checkpoint, MODEL_FILE))) {
    throw new RunError(`${checkpoint} should be the folder of a checkpoint, but has no ${MODEL_FILE}.`, {
      reason: 'no-checkpoint',
      advice: 'For example: .bam/stages/KEY/checkpoints/step-000000100. Or name a run and a stage.',
    });
  }
  const { run, stage, tokenizer = 'bytes' } = readProvenance(checkpoint);
  const plan = run === undefined ? undefined : readPlan(new Workspace(findWorkspaceRoot(checkpoint)), run);
  if (plan && stage !== undefined) return { served: servedOf(plan, stage, checkpoint), backend: plan.backend };
  if (tokenizer !== 'bytes') {
    throw new RunError(
      `The checkpoint needs the tokenizer ${tokenizer} of run ${run}, which is not in its workspace.`,
      {
        reason: 'no-tokenizer',
        advice: 'Name the run and the stage instead, in the workspace where they are.',
      },
    );
  }
  return { served: { checkpoint }, backend: 'auto' };
}

/** A checkpoint of a stage of a plan, with the plan's tokenizer and names of experts. */
export function servedOf(plan: Plan, stage: string, checkpoint: string): ServedCheckpoint {
  const { name, fingerprint } = plan.tokenizer;
  const { experts } = namedExperts(plan, stage);
  const tokenizer = { name, folder: plan.folder, fingerprint };
  return { checkpoint, tokenizer, ...(experts.length && { expertNames: experts }) };
}
