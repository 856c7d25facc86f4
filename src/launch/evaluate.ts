import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../base/errors';
import type { EvaluationMessage, EvaluationOrder } from '../plan/order';
import type { Plan } from '../plan/plan';
import type { Workspace } from '../store/layout';
import { finishedResult } from './finished';
import { waitForTurn } from './queue';
import { stagesNamed } from './run';
import { DEVICE } from './stage-sequence';
import { lastWords, runTrainer } from './trainer';

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

/** How an evaluation ended; `message` says why it failed. */
export interface EvaluateOutcome {
  state: 'finished' | 'stopped' | 'failed';
  stages: string[];
  message?: string;
}

/**
 * Evaluates finished stages once more, in a process of its own that waits its turn; what comes is kept beside their results.
 * Throws a `RunError` (`unknown-stage`, `not-finished`, `no-tasks`).
 */
export async function evaluateFinished(options: EvaluateOptions): Promise<EvaluateOutcome> {
  const { workspace, plan, tokens, tasks, signal, onAhead } = options;
  const stages = finishedStages(options);
  if (tasks) requireTasks(plan);
  const turn = await waitForTurn({ device: DEVICE, signal, onAhead });
  if (!turn) return { state: 'stopped', stages };
  const { dataFolder, stagesFolder } = workspace;
  try {
    return { stages, ...(await execute({ plan, evaluate: stages, tokens, tasks, dataFolder, stagesFolder }, options)) };
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

async function execute(
  order: EvaluationOrder,
  { trainerScript: script, signal, onProgress }: EvaluateOptions,
): Promise<Omit<EvaluateOutcome, 'stages'>> {
  const folder = mkdtempSync(join(tmpdir(), 'bam-evaluate-'));
  const orderFile = join(folder, 'order.json');
  const logFile = join(folder, 'log.txt');
  let failure: string | undefined;
  const onMessage = (message: unknown): void => {
    const sent = message as EvaluationMessage;
    if (sent.type === 'progress') onProgress(sent);
    else failure = sent.message;
  };
  try {
    writeFileSync(orderFile, JSON.stringify(order));
    const end = await runTrainer({ script, orderFile, logFile, signal, onMessage });
    if (end.state === 'finished' || end.state === 'stopped') return { state: end.state };
    return { state: 'failed', message: failure ?? `The process ${lastWords(end, logFile)}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
