import type { Evaluation } from '../events/event';
import { evaluate, EVALUATION_BATCH } from './evaluate';
import { loadModel } from './load-model';
import { type StageContext, type StageOutcome, unlessStopped } from './stage-context';
import { putTasks } from './stage-tasks';

/**
 * Runs a stage without a step and without a checkpoint, of which an evaluation is all that stays. `work` gives it, or `undefined` if the user
 * asked to stop.
 */
export async function runStepless(
  { stage, backend, emit }: StageContext,
  work: () => Promise<Evaluation | undefined>,
): Promise<StageOutcome> {
  const begun = performance.now();
  const engine = `${backend.description}, operation by operation`;
  emit({ type: 'stage.started', stage: stage.name, key: stage.key, steps: 0, engine, fromStep: 0 });
  const evaluation = await work();
  if (!evaluation) return { state: 'stopped', step: 0 };
  return { state: 'finished', step: 0, seconds: (performance.now() - begun) / 1000, engine, evaluation };
}

/** What the stage's model comes to, tasks too; `undefined` if the user asked to stop. */
export async function evaluateModel(context: StageContext): Promise<Evaluation | undefined> {
  const { stage, domains, checkpoints } = context;
  const model = loadModel(stage, checkpoints);
  try {
    const evaluation = await unlessStopped(context, (onProgress) => {
      const options = {
        plan: stage.evaluation,
        context: stage.architecture.context,
        batch: EVALUATION_BATCH,
        onProgress,
      };
      return evaluate(model, domains, { step: 0, tokens: 0, flops: 0 }, options);
    });
    const tasks = evaluation && (await putTasks(model, context));
    return tasks && { ...evaluation, ...tasks };
  } finally {
    model.dispose();
  }
}
