import type { OpenDomain } from '../data/prepare';
import type { Task } from '../data/tasks';
import type { Tokenizer } from '../data/tokenizer';
import type { Evaluation } from '../events/event';
import type { EvaluationMessage, EvaluationOrder } from '../plan/order';
import type { PlannedStage } from '../plan/plan';
import { checkpointsFolder, readLaterEvaluation, readResult, writeLaterEvaluation } from '../plan/result';
import { evaluate, EVALUATION_BATCH } from './evaluate';
import { evaluateTasks } from './evaluate-tasks';
import type { EvaluatedModel } from './evaluated-model';
import { loadModel } from './load-model';

export interface EvaluateStages {
  order: EvaluationOrder;
  domains: ReadonlyMap<string, OpenDomain>;
  tasks: readonly Task[];
  tokenizer: Tokenizer;
  /** The engine, in words. */
  engine: string;
  emit: (message: EvaluationMessage) => void;
  signal: AbortSignal;
}

/** Evaluates finished stages one after the other and writes what comes beside their results. Throws the signal's reason. */
export async function evaluateStages(context: EvaluateStages): Promise<void> {
  const { plan, evaluate: names } = context.order;
  for (const name of names)
    await evaluateStage(
      plan.stages.find((stage) => stage.name === name)!,
      context,
    );
}

async function evaluateStage(stage: PlannedStage, context: EvaluateStages): Promise<void> {
  const { order, domains, tasks, tokenizer, engine, emit, signal } = context;
  const { key, architecture } = stage;
  const model = loadModel(stage, (parent) => checkpointsFolder(order.stagesFolder, parent));
  try {
    const evaluation = await evaluateAgain(model, stage, {
      ...{ domains, stagesFolder: order.stagesFolder, tokens: order.tokens },
      onProgress: (domain, done) => {
        signal.throwIfAborted();
        emit({ type: 'progress', stage: stage.name, what: `tokens of ${domain}`, done });
      },
    });
    const found = await evaluateTasks(model, tasks, {
      tokenizer,
      context: architecture.context,
      batch: EVALUATION_BATCH,
      onProgress: (task, done, total) => {
        signal.throwIfAborted();
        emit({ type: 'progress', stage: stage.name, what: `examples of ${task}`, done, total });
      },
    });
    // What was not asked for now stays as it was found before.
    const all = { ...readLaterEvaluation(order.stagesFolder, key)?.evaluation.tasks, ...found };
    const results = Object.keys(all).length ? { ...evaluation, tasks: all } : evaluation;
    writeLaterEvaluation(order.stagesFolder, { key, time: Date.now(), engine, evaluation: results });
  } finally {
    model.dispose();
  }
}

/** What a finished stage's model is evaluated on, and who is told how far it is. */
interface Again {
  domains: ReadonlyMap<string, OpenDomain>;
  stagesFolder: string;
  /** Held-out tokens of each domain, at most; absent for as many as in training. */
  tokens: number | undefined;
  onProgress: (domain: string, done: number) => void;
}

/** Evaluates a model of a finished stage as the stage was at its end. */
export function evaluateAgain(
  model: EvaluatedModel,
  stage: PlannedStage,
  { domains, stagesFolder, tokens: most = stage.evaluation.tokens, onProgress }: Again,
): Promise<Evaluation> {
  const { step, tokens, flops } = readResult(stagesFolder, stage.key)!.evaluation;
  const options = { context: stage.architecture.context, batch: EVALUATION_BATCH, onProgress };
  return evaluate(model, domains, { step, tokens, flops }, { plan: { ...stage.evaluation, tokens: most }, ...options });
}
