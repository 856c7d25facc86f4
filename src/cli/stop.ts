import { RunError } from '../base/errors';
import { stagesNamed } from '../launch/run';
import { SlurmClient } from '../launch/slurm/client';
import { hasJobs, stopJobs } from '../launch/slurm/stop';
import { stopRun, type StopOutcome } from '../launch/stop';
import { readPlan } from '../store/plan';
import type { Workspace } from '../store/layout';
import { findRunHere } from './find';
import { type Output, printJson } from './output';
import { stageNames } from './run';

/** How long a run may take to save its checkpoint: a large one on a slow disk takes tens of seconds. */
const GRACE_MILLISECONDS = 60_000;

const MESSAGES: Record<StopOutcome, (run: string) => string> = {
  stopped: (run) => `Run ${run} stopped. Go on with: bam resume ${run}`,
  killed: (run) => `Run ${run} was killed. It goes on from its last checkpoint with: bam resume ${run}`,
  'not-running': (run) => `Run ${run} is not running.`,
};

/** `bam stop RUN`: ends a run behind a checkpoint; with `--now` at once. */
export async function stopCommand(
  name: string,
  { now, stages, json }: { now?: boolean; stages?: string; json?: boolean },
  output: Output,
): Promise<void> {
  const { workspace, run } = await findRunHere(name);
  const outcome = await stop(workspace, run, stages, now ? 0 : GRACE_MILLISECONDS);
  if (json) printJson(output, { run, outcome });
  else output.print(MESSAGES[outcome](run));
}

/** Of a run on a cluster, any machine of it can stop all or some stages; one on this machine is stopped as a whole. */
async function stop(
  workspace: Workspace,
  run: string,
  stages: string | undefined,
  graceMilliseconds: number,
): Promise<StopOutcome> {
  if (hasJobs(workspace, run)) {
    const plan = readPlan(workspace, run);
    const request = stages === undefined || !plan ? 'all' : stagesNamed(plan, stageNames(stages));
    const outcome = await stopJobs(workspace, run, request, { client: new SlurmClient(), graceMilliseconds });
    if (outcome !== 'not-running') return outcome;
  } else if (stages !== undefined) {
    throw new RunError(`Run ${run} has no jobs on a cluster, whose stages could be stopped one by one.`, {
      reason: 'no-jobs',
      advice: `This stops all of it: bam stop ${run}`,
    });
  }
  return stopRun(workspace, run, { graceMilliseconds });
}
