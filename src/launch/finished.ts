import { listCheckpoints } from '../checkpoint/checkpoint';
import type { Evaluation } from '../events/event';
import type { PlannedStage, PlannedTask } from '../plan/plan';
import { checkpointsFolder, readLaterEvaluation, readResult, type StageResult } from '../plan/result';
import type { Workspace } from '../store/layout';

/** The result of a stage that is done and whose checkpoint, if it makes one, is there; else `undefined`. */
export function finishedResult(
  { stagesFolder }: Workspace,
  { key, ensemble, serve }: Pick<PlannedStage, 'key' | 'ensemble' | 'serve'>,
): StageResult | undefined {
  const result = readResult(stagesFolder, key);
  if (!result || ensemble || serve) return result;
  return listCheckpoints(checkpointsFolder(stagesFolder, key)).includes(result.step) ? result : undefined;
}

/**
 * The evaluation of a finished stage with the tasks of the plan, as they are now: those that the stage was asked at its end, or by
 * `bam evaluate` since. `missing` names the others, since a stage does not train again for the sake of a task.
 */
export function withTasks(
  { stagesFolder }: Workspace,
  { key, evaluation }: StageResult,
  tasks: readonly PlannedTask[],
): { evaluation: Evaluation; missing: string[] } {
  const { tasks: own, ...rest } = evaluation;
  const known = { ...own, ...readLaterEvaluation(stagesFolder, key)?.evaluation.tasks };
  const isSame = ({ name, fingerprint }: PlannedTask): boolean => known[name]?.fingerprint === fingerprint;
  const found = tasks.filter(isSame).map(({ name }) => [name, known[name]!] as const);
  return {
    evaluation: found.length ? { ...rest, tasks: Object.fromEntries(found) } : rest,
    missing: tasks.filter((task) => !isSame(task)).map(({ name }) => name),
  };
}
