import { RunError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { readVariantName } from '../base/variant-name';
import type { EventBody } from '../events/event';
import { withAncestors } from '../plan/graph';
import type { Plan, PlannedStage } from '../plan/plan';
import { claimRunId, newRunId, type Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { type LauncherName, launcherOf, slurmConfigOf } from './choose-launcher';
import { chooseDevices } from './devices';
import { Execution } from './execution';
import { gitCommit } from './git-commit';
import { LocalLauncher } from './local';
import { RunSession } from './session';
import { SlurmClient } from './slurm/client';
import { SlurmExecution } from './slurm/execution';
import { type StageOptions, type StageOutcome, StageRunner } from './stage-runner';

export interface RunOptions extends Omit<StageOptions, 'launcher'> {
  /** The bundled trainer, dist/trainer.js. */
  trainerScript: string;
  signal: AbortSignal;
  /** The experiment file's path, and its text as planned. */
  file: string;
  text: string;
  /** Only these stages and what they need; all, if left out. */
  stages?: string[] | undefined;
  /** What executes the stages; left out, what the run was started with, else what the file says. */
  launcherName?: LauncherName | undefined;
  /** Go on with this run instead of starting a new one. */
  resume?: string | undefined;
  /** The id of the new run; one is made up, if left out. */
  id?: string | undefined;
  /** Of a run that was announced: `resume` or `id` names it, and the caller closes the session. */
  session?: RunSession | undefined;
  /** Told the run's id as soon as its log can be read. */
  onStart?: ((run: string) => void) | undefined;
}

export interface RunOutcome {
  run: string;
  state: 'finished' | 'stopped' | 'failed';
  /** Why it failed. */
  message?: string;
}

/**
 * Executes a run: each stage in a trainer process when what it needs is done, those with a result taken from the cache. Before the first
 * training it waits until no other run uses the devices. Everything that happens goes to the run's log. Throws a `RunError` (`locked`, `other-plan`,
 * `unknown-stage`, `exists`, `no-device`) before anything is written.
 */
export async function executeRun(options: RunOptions): Promise<RunOutcome> {
  const { workspace, plan, id, resume, session: announced } = options;
  const stages = chooseStages(plan, options.stages);
  if (resume) requireSamePlan(workspace, resume, plan);
  const devices = nameOf(options) === 'local' ? plan.launch : undefined;
  const launcher = new LocalLauncher(options.trainerScript, chooseDevices(devices));
  if (announced) return execute({ ...options, launcher }, (resume ?? id)!, stages, announced);
  const run = resume ?? (id ? claimRunId(workspace, id) : newRunId(workspace, plan.name, new Date()));
  const session = await RunSession.open(workspace, run);
  try {
    if (resume) session.append({ type: 'run.resumed', version: options.version });
    return await execute({ ...options, launcher }, run, stages, session);
  } finally {
    session.close();
  }
}

async function execute(
  options: RunOptions & StageOptions,
  run: string,
  stages: PlannedStage[],
  session: RunSession,
): Promise<RunOutcome> {
  if (!options.resume) {
    writeSnapshot(options, run);
    session.append(firstEvent(options, run, stages));
  }
  options.onStart?.(run);
  const outcome = await executeStages(options, run, stages, session);
  session.end(outcome);
  return { run, ...outcome };
}

function nameOf({ launcherName, ...options }: RunOptions): LauncherName {
  return launcherOf({ ...options, launcher: launcherName });
}

/** Has the stages executed by what the run was started with. */
function executeStages(
  options: RunOptions & StageOptions,
  run: string,
  stages: PlannedStage[],
  session: RunSession,
): Promise<StageOutcome> {
  if (nameOf(options) === 'local') return new Execution(options, run, session).execute(stages);
  const { workspace, trainerScript, signal, plan } = options;
  const runner = new StageRunner(options, run, session, () => Promise.resolve(true));
  const client = new SlurmClient();
  const config = slurmConfigOf(plan);
  return new SlurmExecution({ workspace, run, session, runner, client, config, trainerScript, signal }).execute(stages);
}

function chooseStages(plan: Plan, names: string[] | undefined): PlannedStage[] {
  return names ? withAncestors(plan, stagesNamed(plan, names)) : plan.stages;
}

/**
 * The stages of a plan with these names, of which one of the file stands for all variants of that stage. Throws a `RunError`
 * (`unknown-stage`) for a name that no stage has.
 */
export function stagesNamed(plan: Plan, names: readonly string[]): string[] {
  const own = plan.stages.map(({ name }) => name);
  const inFile = [...new Set(own.map((name) => readVariantName(name).stage))];
  const unknown = names.find((name) => !own.includes(name) && !inFile.includes(name));
  if (unknown === undefined) {
    return own.filter((name) => names.includes(name) || names.includes(readVariantName(name).stage));
  }
  const variant = own.find((name) => !inFile.includes(name));
  throw new RunError(`There is no stage "${unknown}" in this experiment; its stages are ${inFile.join(', ')}.`, {
    reason: 'unknown-stage',
    advice: `Give names of stages, with commas between them: --stages ${variant ? `${inFile[0]},${variant}` : 'seed,law'}`,
  });
}

function requireSamePlan(workspace: Workspace, run: string, plan: Plan): void {
  const before = readPlan(workspace, run);
  const changed = before?.stages.filter(({ name, key }) => !plan.stages.some((s) => s.name === name && s.key === key));
  if (before && !changed?.length) return;
  const what = before
    ? `the stages ${changed!.map(({ name }) => name).join(', ')} or their data changed`
    : 'its plan.json is gone or damaged';
  throw new RunError(`Run ${run} cannot go on with this file: ${what}.`, {
    reason: 'other-plan',
    advice: 'Start a new run without --resume: stages that did not change are taken from the cache, begun ones go on.',
  });
}

function writeSnapshot({ workspace, plan, text }: RunOptions, run: string): void {
  writeFileAtomic(workspace.experimentFile(run), text);
  writeFileAtomic(workspace.planFile(run), `${JSON.stringify(plan, undefined, 2)}\n`);
}

function firstEvent(options: RunOptions, run: string, stages: PlannedStage[]): EventBody {
  const { plan, file, version } = options;
  const commit = gitCommit(plan.folder);
  const names = stages.map(({ name }) => name);
  const seeds = new Set(stages.map(({ seed }) => seed));
  const started = { run, experiment: plan.name, file, version, stages: names };
  const seed = seeds.size === 1 ? { seed: stages[0]!.seed } : {};
  const launcher = nameOf(options) === 'slurm' ? { launcher: 'slurm' as const } : {};
  return { type: 'run.started', ...started, ...seed, ...launcher, ...(commit && { commit }) };
}
