import { RunError } from '../base/errors';
import type { EvaluationMessage, EvaluationOrder } from '../plan/order';
import type { Plan } from '../plan/plan';
import type { Workspace } from '../store/layout';
import { finishedResult } from './finished';
import { DEVICE, waitForTurn } from './queue';
import { stagesNamed } from './run';
import { runSideProcess, type SideOutcome } from './side-process';

export interface EvaluateOptions {
  workspace: Workspace;
  plan: Plan;
  /** Names of stages; all finished ones, if left out. */
  stages?: readonly string[] | undefined;
  /** Held-out tokens of each domain at most; as many as in the stage's own evaluations, if left out. */
  tokens?: number | undefined;
  /** Put the experiment's tasks to the models too. */
  tasks: boolean;
  /** The bundled trainer, dist/trainer.js. */
  trainerScript: string;
  signal: AbortSignal;
  onAhead: (ahead: number) => void;
  onProgress: (progress: Extract<EvaluationMessage, { type: 'progress' }>) => void;
}

/** How an evaluation ended. */
export interface EvaluateOutcome extends SideOutcome {
  stages: string[];
}

/**
 * Evaluates finished stages once more, in a process of its own that waits its turn; what comes is kept beside their results.
 * Throws a `RunError` (`unknown-stage`, `not-finished`, `no-tasks`).
 */
export async function evaluateFinished(options: EvaluateOptions): Promise<EvaluateOutcome> {
  const { workspace, plan, tokens, tasks, signal, onAhead, onProgress, trainerScript: script } = options;
  const stages = finishedStages(options);
  if (tasks) requireTasks(plan);
  const turn = await waitForTurn({ device: DEVICE, signal, onAhead });
  if (!turn) return { state: 'stopped', stages };
  const { dataFolder, stagesFolder } = workspace;
  try {
    const order: EvaluationOrder = { plan, evaluate: stages, tokens, tasks, dataFolder, stagesFolder };
    return { stages, ...(await runSideProcess(order, { script, signal, onMessage: onProgress })) };
  } finally {
    turn.release();
  }
}

function requireTasks({ tasks }: Plan): void {
  if (tasks) return;
  throw new RunError('The experiment has no tasks.', {
    reason: 'no-tasks',
    advice: 'Add `tasks` to the experiment file: docs/experiment-file.md says how.',
  });
}

function finishedStages({ workspace, plan, stages }: EvaluateOptions): string[] {
  const isDone = (name: string): boolean =>
    finishedResult(
      workspace,
      plan.stages.find((stage) => stage.name === name)!,
    ) !== undefined;
  const wanted = stages ? stagesNamed(plan, stages) : plan.stages.map(({ name }) => name).filter(isDone);
  const missing = wanted.filter((name) => !isDone(name));
  if (wanted.length && !missing.length) return wanted;
  const found = missing.length ? `These stages are not: ${missing.join(', ')}` : 'None is';
  throw new RunError(`Expected stages that are finished with the data and settings as they are now. ${found}.`, {
    reason: 'not-finished',
    advice: 'Run it first: bam run FILE',
  });
}
