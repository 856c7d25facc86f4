import type { OpenDomain } from '../data/prepare';
import type { Task } from '../data/tasks';
import type { Tokenizer } from '../data/tokenizer';
import type { EvaluationMessage, EvaluationOrder } from '../plan/order';
import type { PlannedStage } from '../plan/plan';
import { checkpointsFolder, readLaterEvaluation, readResult, writeLaterEvaluation } from '../plan/result';
import { evaluate, EVALUATION_BATCH } from './evaluate';
import { evaluateTasks } from './evaluate-tasks';
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
  const before = readResult(order.stagesFolder, key)!.evaluation;
  const model = loadModel(stage, (parent) => checkpointsFolder(order.stagesFolder, parent));
  try {
    const { step, tokens, flops } = before;
    const evaluation = await evaluate(
      model,
      domains,
      { step, tokens, flops },
      {
        plan: { ...stage.evaluation, tokens: order.tokens ?? stage.evaluation.tokens },
        context: architecture.context,
        batch: EVALUATION_BATCH,
        onProgress: (domain, done) => {
          signal.throwIfAborted();
          emit({ type: 'progress', stage: stage.name, what: `tokens of ${domain}`, done });
        },
      },
    );
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
