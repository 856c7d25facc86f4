import { join } from 'node:path';
import { checkpointName, listCheckpoints, readProvenance } from '../checkpoint/checkpoint';
import { catchUp } from '../events/attempt-logs';
import { type EventLog, readLog } from '../events/log';
import type { PlannedStage } from '../plan/plan';
import { checkpointsFolder } from '../plan/result';
import type { Workspace } from '../store/layout';

/**
 * A stage that another run began and did not finish goes on from its checkpoint. Its events so far are copied into this run's log, so that
 * the curves are whole. Returns the other run, if there was one.
 */
export async function adoptStage(
  workspace: Workspace,
  run: string,
  stage: PlannedStage,
  log: EventLog,
): Promise<string | undefined> {
  const other = trainedBy(workspace, stage.key);
  if (!other || other.run === run) return undefined;
  await catchUp(workspace.runLog(other.run), 0);
  for (const { sequence: _sequence, source: _source, time, ...event } of readLog(workspace.eventsFile(other.run))
    .events) {
    const isPoint = event.type === 'step' || event.type === 'evaluation' || event.type === 'checkpoint';
    if (isPoint && event.stage === other.stage && event.step <= other.step)
      log.append({ ...event, stage: stage.name }, time);
  }
  return other.run;
}

/** Which run and stage wrote the latest checkpoint of a stage key, and its step; `undefined` without one that can be read. */
function trainedBy(workspace: Workspace, key: string): { run: string; stage: string; step: number } | undefined {
  const folder = checkpointsFolder(workspace.stagesFolder, key);
  const step = listCheckpoints(folder).at(-1);
  if (step === undefined) return undefined;
  try {
    const { run, stage } = readProvenance(join(folder, checkpointName(step)));
    return run === undefined || stage === undefined ? undefined : { run, stage, step };
  } catch {
    // A damaged checkpoint is the trainer's to judge; it says what it found and takes the one before.
    return undefined;
  }
}
