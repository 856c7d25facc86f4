import { existsSync, readFileSync } from 'node:fs';
import { RunError } from '../base/errors';
import { readLog } from '../events/log';
import { planText } from '../plan/plan-file';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun, queryRun } from '../store/queries';
import { launch, launchDetached } from './launch';
import type { Output } from './output';

export interface ResumeCommandOptions {
  detach?: boolean;
  /** `startDetached` started this process. */
  detached?: boolean;
  json?: boolean;
}

/**
 * `bam resume RUN`: goes on with a run from its own copy of the experiment file, whatever became of the file itself. Returns the exit code.
 */
export async function resumeCommand(
  name: string,
  { detach, detached, json }: ResumeCommandOptions,
  output: Output,
): Promise<number> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: run } = await withIndex(workspace, async (index) =>
    queryRun(workspace, index, await findRun(index, name)),
  );
  const { id, file, experiment } = run;
  const snapshot = workspace.experimentFile(id);
  if (run.state === 'finished') throw cannotResume(id, 'it is finished', 'Start a new run: bam run FILE');
  if (file === null || !existsSync(snapshot)) {
    throw cannotResume(id, 'it ended before its experiment was planned', `Start a new run: bam run ${file ?? 'FILE'}`);
  }
  if (detach) {
    await launchDetached({ workspace, file, name: experiment, resume: id }, { json }, output);
    return 0;
  }
  const plan = () => planText(readFileSync(snapshot, 'utf8'), file, workspace.dataFolder);
  return launch({ workspace, file, plan, stages: stagesOf(workspace, id), resume: id, detached, json }, output);
}

/** The stages that the run was started for. */
export function stagesOf(workspace: Workspace, run: string): string[] | undefined {
  const { events } = readLog(workspace.eventsFile(run));
  const stages = events.findLast((event) => event.type === 'run.started')?.stages;
  // A detached run whose file was not planned yet names none.
  return stages?.length ? stages : undefined;
}

function cannotResume(run: string, why: string, advice: string): RunError {
  return new RunError(`Run ${run} cannot go on: ${why}.`, { reason: 'nothing-to-resume', advice });
}
