import { listCheckpoints } from '../checkpoint/checkpoint';
import type { PlannedStage } from '../plan/plan';
import { checkpointsFolder, readResult, type StageResult } from '../plan/result';
import type { Workspace } from '../store/layout';

/** The result of a stage that is done and whose checkpoint is there; else `undefined`. */
export function finishedResult(
  { stagesFolder }: Workspace,
  { key }: Pick<PlannedStage, 'key'>,
): StageResult | undefined {
  const result = readResult(stagesFolder, key);
  return result && listCheckpoints(checkpointsFolder(stagesFolder, key)).includes(result.step) ? result : undefined;
}
