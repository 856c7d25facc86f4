import { evaluate, EVALUATION_BATCH } from './evaluate';
import { loadModel } from './load-model';
import { type StageContext, type StageOutcome, unlessStopped } from './stage-context';
import { putTasks } from './stage-tasks';

/** Evaluates an ensemble: a stage without a step and without a checkpoint. */
export async function runEnsemble(context: StageContext): Promise<StageOutcome> {
  const { stage, domains, backend, checkpoints, emit } = context;
  const begun = performance.now();
  const engine = `${backend.description}, operation by operation`;
  emit({ type: 'stage.started', stage: stage.name, key: stage.key, steps: 0, engine, fromStep: 0 });
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
    if (!tasks) return { state: 'stopped', step: 0 };
    const seconds = (performance.now() - begun) / 1000;
    return { state: 'finished', step: 0, seconds, engine, evaluation: { ...evaluation, ...tasks } };
  } finally {
    model.dispose();
  }
}
