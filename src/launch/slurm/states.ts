/** What a job of Slurm is for a stage. `again`: Slurm ended it for reasons that are not the stage's, and it may be started anew. */
export type JobPhase = 'waiting' | 'running' | 'finished' | 'failed' | 'cancelled' | 'parent-failed' | 'again';

/** Slurm's own words for states (squeue(1), "JOB STATE CODES") that are over or at work; all others wait. */
const PHASES: Record<string, JobPhase> = {
  RUNNING: 'running',
  COMPLETING: 'running',
  SIGNALING: 'running',
  STAGE_OUT: 'running',
  RESIZING: 'running',
  SUSPENDED: 'running',
  STOPPED: 'running',
  COMPLETED: 'finished',
  FAILED: 'failed',
  OUT_OF_MEMORY: 'failed',
  CANCELLED: 'cancelled',
  REVOKED: 'cancelled',
  TIMEOUT: 'again',
  DEADLINE: 'again',
  NODE_FAIL: 'again',
  BOOT_FAIL: 'again',
  PREEMPTED: 'again',
};

const NEVER = 'DependencyNeverSatisfied';

/** What a state of Slurm means for a stage. */
export function phaseOf(state: string, reason: string): JobPhase {
  if (reason === NEVER) return 'parent-failed';
  return PHASES[state] ?? 'waiting';
}

/** True for a job that will do nothing more. */
export function isOver(phase: JobPhase): boolean {
  return phase !== 'waiting' && phase !== 'running';
}

const REASONS: Record<string, string> = {
  None: 'waits to be scheduled',
  Priority: 'waits for priority',
  Resources: 'waits for resources',
  Dependency: 'waits for its parents',
  [NEVER]: 'its parent failed',
  BeginTime: 'waits for its time to begin again',
  JobHeldUser: 'is held by its user',
  JobHeldAdmin: 'is held by an administrator',
  JobArrayTaskLimit: 'waits for others of its array',
  PartitionDown: 'waits: its partition is down',
  PartitionInactive: 'waits: its partition is inactive',
  PartitionNodeLimit: 'can never start: its partition has too few nodes',
  PartitionTimeLimit: 'can never start: its time is over the limit of its partition',
  BadConstraints: 'can never start: no node is like that',
  ReqNodeNotAvail: 'waits for a node that is not available',
  NodeDown: 'waits for a node that is down',
  Reservation: 'waits for its reservation',
  Licenses: 'waits for a licence',
  JobLaunchFailure: 'could not be launched',
  BadAccount: 'can never start: its account is not known',
};

/** Why a job waits, in plain words. */
export function describeReason(reason: string): string {
  // squeue adds details: `ReqNodeNotAvail, UnavailableNodes:node3`.
  const [word = '', ...details] = reason.split(',');
  const known =
    REASONS[word] ?? (/^(Assoc|QOS|Max)/.test(word) ? 'waits: a limit of its account is reached' : undefined);
  if (!known) return `waits (${reason})`;
  return /^(Assoc|QOS|Max)/.test(word) || details.length ? `${known} (${[word, ...details].join(',')})` : known;
}

const ENDS: Record<string, string> = {
  OUT_OF_MEMORY: 'was killed: it took more memory than it had asked for',
  TIMEOUT: 'reached its time limit',
  DEADLINE: 'reached its deadline',
  NODE_FAIL: 'lost its node',
  BOOT_FAIL: 'had a node that did not start',
  PREEMPTED: 'made room for another job',
  CANCELLED: 'was cancelled',
  REVOKED: 'was given up',
};

/** How a job ended that did not end well, e.g. for "Job 17 of stage law …". */
export function describeEnd(state: string): string {
  return ENDS[state] ?? `ended as ${state}`;
}
