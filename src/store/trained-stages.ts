import { join } from 'node:path';
import { isPlainName } from '../base/plain-name';
import { checkpointName, listCheckpoints } from '../checkpoint/checkpoint';
import { checkpointsFolder, readResult } from '../plan/result';
import type { Database } from './database';
import type { Workspace } from './layout';

/** Most stages that are looked at: those of the newest runs. */
const MAXIMUM_STAGES = 1000;

/** A stage of a run that has a checkpoint on disk. */
export interface TrainedStage {
  run: string;
  /** What people call the run: its title, else its id. */
  title: string;
  /** The experiment file, where the run had one. */
  file: string | null;
  stage: string;
  key: string;
  /** Of the checkpoint: the result's of a finished stage, else the last one. */
  step: number;
  /** Last average perplexity; `null` for a stage that is not finished. */
  average: number | null;
}

/** All stages with a checkpoint, those of the newest run first, in the order of the plan. Archived runs are left out. */
export async function queryTrainedStages({ stagesFolder }: Workspace, index: Database): Promise<TrainedStage[]> {
  const rows = await index.all<Pick<TrainedStage, 'run' | 'file' | 'stage' | 'key'> & { title: string | null }>(
    `select run, title, file, stages.name as stage, key from stages join runs on runs.id = run
     where key is not null and stages.state <> 'waiting' and archived = 0
     order by started desc, run desc, position limit ?`,
    [MAXIMUM_STAGES],
  );
  const found = new Map<string, Pick<TrainedStage, 'step' | 'average'> | undefined>();
  return rows.flatMap(({ title, ...row }) => {
    if (!isPlainName(row.key)) return [];
    if (!found.has(row.key)) found.set(row.key, lastCheckpoint(stagesFolder, row.key));
    const checkpoint = found.get(row.key);
    return checkpoint ? [{ ...row, title: title ?? row.run, ...checkpoint }] : [];
  });
}

function lastCheckpoint(stagesFolder: string, key: string): Pick<TrainedStage, 'step' | 'average'> | undefined {
  const steps = listCheckpoints(checkpointsFolder(stagesFolder, key));
  const result = readResult(stagesFolder, key);
  if (result && steps.includes(result.step)) return { step: result.step, average: result.evaluation.averagePerplexity };
  return steps.length ? { step: steps.at(-1)!, average: null } : undefined;
}

/** Whether a stage has a checkpoint on disk. */
export function hasCheckpoint({ stagesFolder }: Workspace, { key }: { key: string | null }): boolean {
  return key !== null && isPlainName(key) && listCheckpoints(checkpointsFolder(stagesFolder, key)).length > 0;
}

/** The folder of a stage's checkpoint, absolute; `undefined` where there is none of this step. */
export function checkpointFolder({ stagesFolder }: Workspace, key: string, step: number): string | undefined {
  const folder = checkpointsFolder(stagesFolder, key);
  return listCheckpoints(folder).includes(step) ? join(folder, checkpointName(step)) : undefined;
}
