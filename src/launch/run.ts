import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainError, RunError } from '../base/errors';
import { readJson, writeFileAtomic } from '../base/files';
import { listCheckpoints } from '../checkpoint/checkpoint';
import type { EventBody } from '../events/event';
import { EventLog, readLog } from '../events/log';
import { withAncestors } from '../plan/graph';
import type { TrainerOrder } from '../plan/order';
import type { Plan, PlannedStage } from '../plan/plan';
import { checkpointsFolder, readResult } from '../plan/result';
import { newRunId, type Workspace } from '../store/layout';
import { acquireLock, type Lock, waitForLock } from '../base/lock';
import { adoptStage } from './adopt';
import { gitCommit } from './git-commit';
import { lastLines, runTrainer } from './trainer';

/** How long a resumed run waits for a trainer that its dead launcher left behind, which saves a checkpoint and ends. */
const ORPHAN_MILLISECONDS = 60_000;

export interface RunOptions {
  workspace: Workspace;
  plan: Plan;
  /** The experiment file's path, and its text as planned. */
  file: string;
  text: string;
  /** Only these stages and what they need; all, if left out. */
  stages?: string[] | undefined;
  /** Go on with this run instead of starting a new one. */
  resume?: string | undefined;
  /** The bundled trainer, dist/trainer.js. */
  trainerScript: string;
  version: string;
  signal: AbortSignal;
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
 * Executes a run: its stages in order, each in a trainer process, those with a result taken from the cache. Everything that happens goes to
 * the run's log. Throws a `RunError` (`locked`, `other-plan`, `unknown-stage`) before anything is written.
 */
export async function executeRun(options: RunOptions): Promise<RunOutcome> {
  const { workspace, plan, signal } = options;
  const stages = chooseStages(plan, options.stages);
  if (options.resume) requireSamePlan(workspace, options.resume, plan);
  const run = options.resume ?? newRunId(workspace, plan.name, new Date());
  const lock = await lockRun(workspace, run);
  try {
    const begun = Date.now();
    const { log, repaired } = EventLog.open(workspace.eventsFile(run));
    const recorder = new Recorder(log);
    try {
      if (!options.resume) writeSnapshot(options, run);
      recorder.append(firstEvent(options, run, stages));
      if (repaired) recorder.append({ type: 'note', level: 'warning', message: repaired });
      options.onStart?.(run);
      const outcome = await new StageSequence(options, run, recorder).execute(stages, signal);
      recorder.append({ type: 'run.ended', ...outcome, seconds: (Date.now() - begun) / 1000 });
      return { run, ...outcome };
    } finally {
      recorder.close();
    }
  } finally {
    lock.release();
  }
}

function chooseStages(plan: Plan, names: string[] | undefined): PlannedStage[] {
  const known = plan.stages.map(({ name }) => name);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown === undefined) return withAncestors(plan, names ?? known);
  throw new RunError(`There is no stage "${unknown}" in this experiment; its stages are ${known.join(', ')}.`, {
    reason: 'unknown-stage',
    advice: 'Give names of stages, with commas between them: --stages seed,law',
  });
}

function requireSamePlan(workspace: Workspace, run: string, plan: Plan): void {
  const before = readJson(workspace.planFile(run)) as Plan | undefined;
  const changed = before?.stages.filter(({ name, key }) => !plan.stages.some((s) => s.name === name && s.key === key));
  if (before && !changed?.length) return;
  const what = before
    ? `the stages ${changed!.map(({ name }) => name).join(', ')} or their data changed`
    : 'its plan.json is gone';
  throw new RunError(`Run ${run} cannot go on with this file: ${what}.`, {
    reason: 'other-plan',
    advice: 'Start a new run without --resume: stages that did not change are taken from the cache, begun ones go on.',
  });
}

/** Takes the run's lock, and makes sure that no trainer of a dead launcher still writes to its log. */
async function lockRun(workspace: Workspace, run: string): Promise<Lock> {
  const lock = acquireLock(workspace.runLockFile(run), `Run ${run}`);
  try {
    (await waitForLock(workspace.trainerLockFile(run), `Run ${run}'s trainer`, ORPHAN_MILLISECONDS)).release();
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function writeSnapshot({ workspace, plan, text }: RunOptions, run: string): void {
  writeFileAtomic(workspace.experimentFile(run), text);
  writeFileAtomic(workspace.planFile(run), `${JSON.stringify(plan, undefined, 2)}\n`);
}

function firstEvent({ plan, file, resume, version }: RunOptions, run: string, stages: PlannedStage[]): EventBody {
  if (resume) return { type: 'run.resumed', version };
  const commit = gitCommit(plan.folder);
  const names = stages.map(({ name }) => name);
  const started = { run, experiment: plan.name, file, seed: plan.seed, version, stages: names };
  return { type: 'run.started', ...started, ...(commit && { commit }) };
}

/** The launcher's end of the log, closed while a trainer writes to it. */
class Recorder {
  constructor(private log: EventLog | undefined) {}

  append(event: EventBody): void {
    this.log!.append(event);
    this.log!.flush();
  }

  /** Hands the open log to `work`, e.g. to copy events into it. */
  use<T>(work: (log: EventLog) => T): T {
    return work(this.log!);
  }

  /** Lets another process write: closes the log, and opens it again behind what was written. */
  async lend<T>(path: string, work: () => Promise<T>): Promise<T> {
    this.close();
    try {
      return await work();
    } finally {
      this.log = EventLog.open(path).log;
    }
  }

  close(): void {
    this.log?.close();
    this.log = undefined;
  }
}

type SequenceOutcome = { state: 'finished' | 'stopped' | 'failed'; message?: string };

/** Runs stages one after the other. */
class StageSequence {
  constructor(
    private readonly options: RunOptions,
    private readonly run: string,
    private readonly recorder: Recorder,
  ) {}

  async execute(stages: readonly PlannedStage[], signal: AbortSignal): Promise<SequenceOutcome> {
    for (const stage of stages) {
      if (signal.aborted) return { state: 'stopped' };
      if (this.takeFromCache(stage)) continue;
      const outcome = await this.train(stage, signal);
      if (outcome.state !== 'finished') return outcome;
    }
    return { state: 'finished' };
  }

  /** True if the stage is done already, by this run or another. */
  private takeFromCache({ name, key }: PlannedStage): boolean {
    const { stagesFolder } = this.options.workspace;
    const result = readResult(stagesFolder, key);
    if (!result || !listCheckpoints(checkpointsFolder(stagesFolder, key)).includes(result.step)) return false;
    // A stage of this run is in the log already, unless its trainer died between writing the result and saying so.
    if (result.run !== this.run || !this.isFinishedInLog(name)) {
      const { run: fromRun, evaluation } = result;
      this.recorder.append({ type: 'stage.cached', stage: name, key, fromRun, evaluation });
    }
    return true;
  }

  private isFinishedInLog(name: string): boolean {
    const { events } = readLog(this.options.workspace.eventsFile(this.run));
    return events.some((event) => event.type === 'stage.finished' && event.stage === name);
  }

  private async train(stage: PlannedStage, signal: AbortSignal): Promise<SequenceOutcome> {
    const { workspace, trainerScript } = this.options;
    try {
      acquireLock(workspace.stageLockFile(stage.key), `Stage ${stage.name}`).release();
    } catch (error) {
      const message = explainError(error);
      this.recorder.append({ type: 'stage.failed', stage: stage.name, reason: 'locked', message });
      return { state: 'failed', message };
    }
    const adopted = this.recorder.use((log) => adoptStage(workspace, this.run, stage, log));
    if (adopted) {
      const message = `Stage ${stage.name} goes on from a checkpoint that run ${adopted} left; its curve was copied.`;
      this.recorder.append({ type: 'note', level: 'info', stage: stage.name, message });
    }
    const orderFile = join(workspace.runFolder(this.run), 'order.json');
    writeFileSync(orderFile, JSON.stringify(this.order(stage)));
    const logFile = workspace.logFile(this.run);
    const eventsFile = workspace.eventsFile(this.run);
    const end = await this.recorder.lend(eventsFile, () =>
      runTrainer({ script: trainerScript, orderFile, logFile, signal }),
    );
    return this.judge(stage, end);
  }

  private judge(stage: PlannedStage, end: Awaited<ReturnType<typeof runTrainer>>): SequenceOutcome {
    const { workspace } = this.options;
    if (end.state === 'finished' || end.state === 'stopped') return { state: end.state };
    const last = readLog(workspace.eventsFile(this.run)).events.at(-1);
    if (last?.type === 'stage.failed' && last.stage === stage.name) return { state: 'failed', message: last.message };
    const how = end.state === 'crashed' ? end.how : 'ended with an error';
    const output = lastLines(workspace.logFile(this.run), 5);
    const message = `The trainer of stage ${stage.name} ${how}. Its last output:\n${output || '(none)'}`;
    this.recorder.append({ type: 'stage.failed', stage: stage.name, reason: 'crashed', message });
    return { state: 'failed', message };
  }

  private order(stage: PlannedStage): TrainerOrder {
    const { workspace, plan, version } = this.options;
    return {
      plan,
      stage: stage.name,
      run: this.run,
      folder: workspace.folder,
      eventsFile: workspace.eventsFile(this.run),
      dataFolder: workspace.dataFolder,
      stagesFolder: workspace.stagesFolder,
      trainerLockFile: workspace.trainerLockFile(this.run),
      stageLockFile: workspace.stageLockFile(stage.key),
      version,
    };
  }
}
