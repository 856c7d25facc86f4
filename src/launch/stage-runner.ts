import { join } from 'node:path';
import { explainError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { acquireLock, lockHolder } from '../base/lock';
import { attemptName } from '../events/attempt-logs';
import type { EventBody } from '../events/event';
import { readLog } from '../events/log';
import type { TrainerOrder } from '../plan/order';
import type { Plan, PlannedStage } from '../plan/plan';
import { type Attempt, nextAttempt } from '../store/attempts';
import type { Workspace } from '../store/layout';
import { adoptStage } from './adopt';
import { finishedResult, withTasks } from './finished';
import type { Job, Launcher } from './launcher';
import type { RunSession } from './session';
import { lastWords, type TrainerEnd, untilEnd } from './trainer';

/** What the stages of a run are executed with. */
export interface StageOptions {
  workspace: Workspace;
  plan: Plan;
  launcher: Launcher;
  /** Also profile a step of each stage that trains, cached ones too. */
  profile?: boolean | undefined;
  version: string;
}

/** How a stage, or several, ended; `message` says why it failed. */
export type StageOutcome = { state: 'finished' | 'stopped' | 'failed'; message?: string };

/** A note for a stage from the cache that was not asked some of the tasks. */
function unasked(stage: string, tasks: string[], run: string): EventBody {
  const message = `Stage ${stage} was trained before ${tasks.join(', ')} was among the tasks; this asks it: bam evaluate ${run} --tasks`;
  return { type: 'note', level: 'info', stage, message };
}

/** Executes one stage of a run at a time, or several: takes it from the cache, or has a trainer make an attempt at it. */
export class StageRunner {
  private finishedInLog: ReadonlySet<string> | undefined;

  constructor(
    private readonly options: StageOptions,
    private readonly run: string,
    private readonly session: RunSession,
    /** Waits until this run may use the devices; false if it was stopped before. */
    private readonly takeTurn: () => Promise<boolean>,
  ) {}

  async execute(stage: PlannedStage, signal: AbortSignal): Promise<StageOutcome> {
    const profiled = await this.profile(stage, signal);
    if (profiled.state !== 'finished') return profiled;
    if (this.takeFromCache(stage)) return { state: 'finished' };
    if (!(await this.takeTurn())) return { state: 'stopped' };
    // Another run may have finished it meanwhile.
    return this.takeFromCache(stage) ? { state: 'finished' } : this.train(stage, signal);
  }

  /** True if the stage is done already, by this run or another. */
  takeFromCache(stage: PlannedStage): boolean {
    const { name, key } = stage;
    const result = finishedResult(this.options.workspace, stage);
    if (!result) return false;
    // A stage of this run is in the log already, unless its trainer died between writing the result and saying so.
    if (result.run !== this.run || !this.isFinishedInLog(name)) {
      const { evaluation, missing } = withTasks(this.options.workspace, result, this.options.plan.tasks ?? []);
      this.session.append({ type: 'stage.cached', stage: name, key, fromRun: result.run, evaluation });
      if (missing.length) this.session.append(unasked(name, missing, this.run));
    }
    return true;
  }

  /** Whether an earlier session of this run finished the stage. The log may be long, so it is read once. */
  private isFinishedInLog(name: string): boolean {
    this.finishedInLog ??= new Set(
      readLog(this.options.workspace.eventsFile(this.run)).events.flatMap((event) =>
        event.type === 'stage.finished' ? event.stage : [],
      ),
    );
    return this.finishedInLog.has(name);
  }

  private async train(stage: PlannedStage, signal: AbortSignal): Promise<StageOutcome> {
    return (await this.prepare(stage)) ?? this.attempt(stage, signal);
  }

  /** Before the first attempt at a stage: takes over what another run left of it. Gives how it ended, where it cannot begin. */
  async prepare(stage: PlannedStage): Promise<StageOutcome | undefined> {
    const { workspace } = this.options;
    try {
      const file = workspace.stageLockFile(stage.key);
      // An earlier attempt of this run on a cluster, which the next one takes the lock from.
      const isOwn = lockHolder(file)?.attempt?.at === `${this.run}/${stage.name}`;
      if (!isOwn) acquireLock(file, `Stage ${stage.name}`).release();
    } catch (error) {
      const message = explainError(error);
      this.session.append({ type: 'stage.failed', stage: stage.name, reason: 'locked', message });
      return { state: 'failed', message };
    }
    const adopted = await this.session.use((log) => adoptStage(workspace, this.run, stage, log));
    if (adopted) {
      const message = `Stage ${stage.name} goes on from a checkpoint that run ${adopted} left; its curve was copied.`;
      this.session.append({ type: 'note', level: 'info', stage: stage.name, message });
    }
    return undefined;
  }

  /** Profiles a step of the stage, if that is wanted. */
  private async profile(stage: PlannedStage, signal: AbortSignal): Promise<StageOutcome> {
    if (!this.options.profile || !stage.train) return { state: 'finished' };
    if (!(await this.takeTurn())) return { state: 'stopped' };
    const file = join(this.options.workspace.runFolder(this.run), `profile-${encodeURIComponent(stage.name)}.json`);
    return this.attempt(stage, signal, file);
  }

  private async attempt(stage: PlannedStage, signal: AbortSignal, profileFile?: string): Promise<StageOutcome> {
    const attempt = nextAttempt(this.options.workspace, this.run, stage.name);
    const order = { ...this.order(stage, attempt), ...(profileFile && { profileFile }) };
    writeFileAtomic(attempt.orderFile, JSON.stringify(order));
    return this.watch(attempt, await this.options.launcher.submit(attempt), signal);
  }

  /** Copies the log of an attempt until its trainer ends. */
  private async watch(attempt: Attempt, job: Job, signal: AbortSignal): Promise<StageOutcome> {
    const name = attemptName(attempt.stage, attempt.number);
    const stopping = new AbortController();
    let failure: { error: unknown } | undefined;
    const copy = (): void => {
      try {
        if (!failure) this.session.attempts.copy(name);
      } catch (error) {
        failure = { error };
        stopping.abort();
      }
    };
    const timer = setInterval(copy, this.options.launcher.pollMilliseconds);
    const end = await untilEnd(job, AbortSignal.any([signal, stopping.signal]));
    clearInterval(timer);
    copy();
    if (failure) throw failure.error;
    return this.judge(attempt, end);
  }

  private judge({ stage, eventsFile, outputFile }: Attempt, end: TrainerEnd): StageOutcome {
    if (end.state === 'finished' || end.state === 'stopped') return { state: end.state };
    const last = readLog(eventsFile).events.at(-1);
    if (last?.type === 'stage.failed') return { state: 'failed', message: last.message };
    const message = `The trainer of stage ${stage} ${lastWords(end, outputFile)}`;
    this.session.append({ type: 'stage.failed', stage, reason: 'crashed', message });
    return { state: 'failed', message };
  }

  /** What the trainer of an attempt is told. */
  order(stage: PlannedStage, { eventsFile, trainerLockFile }: Attempt): TrainerOrder {
    const { workspace, plan, version } = this.options;
    return {
      plan,
      stage: stage.name,
      run: this.run,
      folder: workspace.folder,
      eventsFile,
      runLog: workspace.runLog(this.run),
      dataFolder: workspace.dataFolder,
      stagesFolder: workspace.stagesFolder,
      trainerLockFile,
      stageLockFile: workspace.stageLockFile(stage.key),
      version,
    };
  }
}
