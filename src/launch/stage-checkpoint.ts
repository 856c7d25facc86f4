import { join } from 'node:path';
import { RunError } from '../base/errors';
import { checkpointName } from '../checkpoint/checkpoint';
import type { Plan } from '../plan/plan';
import { checkpointsFolder } from '../plan/result';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { finishedResult } from './finished';

/** The last checkpoint of a finished stage. */
export interface StageCheckpoint {
  plan: Plan;
  /** The folder of the checkpoint. */
  path: string;
  key: string;
  step: number;
}

/** Finds the last checkpoint of a finished stage of a run. Throws a `RunError` (`no-plan`, `unknown-stage`, `ensemble`, `not-finished`). */
export function stageCheckpoint(workspace: Workspace, run: string, name: string): StageCheckpoint {
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
    throw new RunError(`Stage ${name} is an ensemble, which has no checkpoint.`, {
      reason: 'ensemble',
      advice: `Name one of its members: ${stage.parents.map((parent) => parent.name).join(', ')}.`,
    });
  }
  if (stage.serve) {
    throw new RunError(`Stage ${name} serves another one, and has no checkpoint.`, {
      reason: 'no-checkpoint',
      advice: `Name the stage that it serves: ${stage.parents[0]!.name}.`,
    });
  }
  const result = finishedResult(workspace, stage);
  if (!result) {
    throw new RunError(`Stage ${name} of run ${run} should be finished, but is not.`, {
      reason: 'not-finished',
      advice: `\`bam resume ${run}\` goes on with it.`,
    });
  }
  const { step } = result;
  const path = join(checkpointsFolder(workspace.stagesFolder, stage.key), checkpointName(step));
  return { plan, path, key: stage.key, step };
}

function planOf(workspace: Workspace, run: string): Plan {
  const plan = readPlan(workspace, run);
  if (plan) return plan;
  throw new RunError(`Run ${run} has no plan.json that can be read: it never began, or the file is damaged.`, {
    reason: 'no-plan',
    advice: '`bam runs` lists the runs of this workspace.',
  });
}
