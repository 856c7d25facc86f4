import type { Evaluation } from '../events/event';
import { EVALUATION_BATCH } from './evaluate';
import { evaluateTasks } from './evaluate-tasks';
import type { EvaluatedModel } from './evaluated-model';
import { type StageContext, unlessStopped } from './stage-context';

/** Puts the experiment's tasks to the model of a stage; `undefined` if the user asked to stop. */
export async function putTasks(
  model: EvaluatedModel,
  context: StageContext,
): Promise<Pick<Evaluation, 'tasks'> | undefined> {
  const { tasks, tokenizer, stage, emit } = context;
  if (!tasks.length) return {};
  const found = await unlessStopped(context, (onProgress) =>
    evaluateTasks(model, tasks, {
      tokenizer,
      context: stage.architecture.context,
      batch: EVALUATION_BATCH,
      onProgress: (task, done, total) => {
        emit({ type: 'stage.preparing', stage: stage.name, what: `task ${task}`, done, total });
        onProgress();
      },
    }),
  );
  return found && { tasks: found };
}
