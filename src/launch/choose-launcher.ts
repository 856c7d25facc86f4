import { type SlurmConfig, slurmSchema } from '../config/slurm-schema';
import { readLog } from '../events/log';
import type { Plan } from '../plan/plan';
import type { Workspace } from '../store/layout';

/** What executes the stages of a run: this machine, or jobs of a Slurm cluster. */
export const LAUNCHERS = ['local', 'slurm'] as const;
export type LauncherName = (typeof LAUNCHERS)[number];

/** What executes a run: what is asked for, else what it was started with, else what the experiment file says. */
export function launcherOf({
  workspace,
  plan,
  launcherName,
  resume,
}: {
  workspace: Workspace;
  plan: Pick<Plan, 'launch'>;
  launcherName?: LauncherName | undefined;
  resume?: string | undefined;
}): LauncherName {
  return (
    launcherName ?? (resume ? startedWith(workspace, resume) : undefined) ?? (plan.launch?.slurm ? 'slurm' : 'local')
  );
}

/** What a run was started with; `undefined` where it was not planned yet. */
export function startedWith(workspace: Workspace, run: string): LauncherName | undefined {
  const { events } = readLog(workspace.eventsFile(run));
  const started = events.findLast((event) => event.type === 'run.started');
  return started?.stages.length ? (started.launcher ?? 'local') : undefined;
}

/** What jobs ask Slurm for, where the file says nothing of it too. */
export function slurmConfigOf({ launch }: Pick<Plan, 'launch'>): SlurmConfig {
  return launch?.slurm ?? slurmSchema.parse({});
}
