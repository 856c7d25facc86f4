import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { lockHolder } from '../../base/lock';
import type { Workspace } from '../../store/layout';
import { RunSession } from '../session';
import type { StopOutcome } from '../stop';
import type { SlurmClient, SlurmJob } from './client';
import { cancelJobs } from './execution';
import { isOver, phaseOf } from './states';
import { requestStop, type StopRequest, withdrawStop } from './stop-request';
import { readSubmissions, submissionsFolder } from './submissions';

const POLL_MILLISECONDS = 1000;

/** Whether jobs of a run were submitted to Slurm. */
export function hasJobs(workspace: Workspace, run: string): boolean {
  return existsSync(submissionsFolder(workspace, run));
}

/**
 * Stops the jobs of a run, or of some of its stages, from any machine of the cluster: its watcher is asked to, if it has one; else they are
 * cancelled from here, those that run behind a checkpoint. Waits until none is left, at most `graceMilliseconds`, behind which Slurm kills
 * the rest. Throws as `SlurmClient` does.
 */
export async function stopJobs(
  workspace: Workspace,
  run: string,
  request: StopRequest,
  { client, graceMilliseconds }: { client: SlurmClient; graceMilliseconds: number },
): Promise<StopOutcome> {
  if (!(await jobsOf(workspace, run, request, client)).length) return 'not-running';
  const hasWatcher = lockHolder(workspace.runLockFile(run)) !== undefined;
  if (hasWatcher) requestStop(workspace, run, request);
  for (const end = Date.now() + graceMilliseconds; Date.now() < end; await setTimeout(POLL_MILLISECONDS)) {
    const jobs = await jobsOf(workspace, run, request, client);
    if (!jobs.length) {
      if (!hasWatcher && request === 'all') await endRun(workspace, run);
      return 'stopped';
    }
    if (!hasWatcher) await cancelJobs(client, jobs);
  }
  withdrawStop(workspace, run);
  const left = await jobsOf(workspace, run, request, client);
  await client.cancel(left.map(({ id }) => id));
  return left.length ? 'killed' : 'stopped';
}

/** Says in the log of a run without a watcher that it was stopped, with what its jobs wrote last. */
async function endRun(workspace: Workspace, run: string): Promise<void> {
  const session = await RunSession.open(workspace, run);
  session.end({ state: 'stopped' });
  session.close();
}

/** The jobs of a run's stages that wait or run. */
async function jobsOf(
  workspace: Workspace,
  run: string,
  request: StopRequest,
  client: SlurmClient,
): Promise<SlurmJob[]> {
  const wanted = new Set(
    readSubmissions(workspace, run).flatMap(({ tag, stages }) =>
      stages
        .filter(({ name }) => request === 'all' || request.includes(name))
        .map(({ task }) => placeOf(tag, task === undefined ? undefined : String(task))),
    ),
  );
  const jobs = await client.jobs();
  return jobs.filter(
    ({ id, tag, state, reason }) => wanted.has(placeOf(tag, id.split('_')[1])) && !isOver(phaseOf(state, reason)),
  );
}

function placeOf(tag: string, task: string | undefined): string {
  return `${tag} ${task ?? ''}`;
}
