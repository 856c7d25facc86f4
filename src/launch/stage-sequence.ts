import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainError } from '../base/errors';
import { acquireLock, type Lock } from '../base/lock';
import type { EventBody } from '../events/event';
import { readLog } from '../events/log';
import { neededBy } from '../plan/graph';
import type { TrainerOrder } from '../plan/order';
import type { Plan, PlannedStage } from '../plan/plan';
import type { Workspace } from '../store/layout';
import { adoptStage } from './adopt';
import { finishedResult, withTasks } from './finished';
import { waitForTurn } from './queue';
import type { RunSession } from './session';
import { lastWords, runTrainer, type TrainerEnd } from './trainer';

/** What runs wait for: this machine's processor. */
export const DEVICE = 'cpu';

/** What the stages of a run are executed with. */
export interface SequenceOptions {
  workspace: Workspace;
  plan: Plan;
  /** The bundled trainer, dist/trainer.js. */
  trainerScript: string;
  /** Also profile a step of each stage that trains, cached ones too. */
  profile?: boolean | undefined;
  version: string;
  signal: AbortSignal;
}

/** A note for a stage from the cache that was not asked some of the tasks. */
function unasked(stage: string, tasks: string[], run: string): EventBody {
  const message = `Stage ${stage} was trained before ${tasks.join(', ')} was among the tasks; this asks it: bam evaluate ${run} --tasks`;
  return { type: 'note', level: 'info', stage, message };
}

/** How a sequence of stages, or one of them, ended; `message` says why it failed. */
type SequenceOutcome = { state: 'finished' | 'stopped' | 'failed'; message?: string };

/** What went wrong, by stage; one message stands for itself. */
function describeFailures(failures: ReadonlyMap<string, string>): string {
  if (failures.size === 1) return [...failures.values()][0]!;
  const lines = [...failures].map(([stage, message]) => `${stage}: ${message}`);
  return `${failures.size} stages failed.\n${lines.join('\n')}`;
}

/** Runs stages one after the other. One that fails takes with it only those that need it. */
export class StageSequence {
  /** The right to use the device, from the first training on. */
  private turn: Lock | undefined;
  private finishedInLog: ReadonlySet<string> | undefined;
  /** Why stages failed, by name, and stages that need one of those. */
  private readonly failures = new Map<string, string>();
  private readonly leftOut = new Set<string>();

  constructor(
    private readonly options: SequenceOptions,
    private readonly run: string,
    private readonly session: RunSession,
  ) {}

  async execute(stages: readonly PlannedStage[]): Promise<SequenceOutcome> {
    const { signal } = this.options;
    try {
      for (const stage of stages) {
        if (signal.aborted) return { state: 'stopped' };
        if (this.isLeftOut(stage)) continue;
        const profiled = await this.profile(stage, signal);
        if (profiled.state !== 'finished') return profiled;
        if (this.takeFromCache(stage)) continue;
        if (!this.turn) {
          this.turn = await this.waitForTurn();
          if (!this.turn) return { state: 'stopped' };
          // Another run may have finished it meanwhile.
          if (this.takeFromCache(stage)) continue;
        }
        const outcome = await this.train(stage, signal);
        if (outcome.state === 'stopped') return outcome;
        if (outcome.state === 'failed') this.failures.set(stage.name, outcome.message ?? 'failed');
      }
      return this.failures.size ? { state: 'failed', message: describeFailures(this.failures) } : { state: 'finished' };
    } finally {
      this.turn?.release();
    }
  }

  /** True if the stage needs one that failed, which is said in the log. */
  private isLeftOut(stage: PlannedStage): boolean {
    const { name } = stage;
    const needed = neededBy(stage).find((parent) => this.failures.has(parent.name) || this.leftOut.has(parent.name));
    if (!needed) return false;
    this.leftOut.add(name);
    const message = `Stage ${name} was left out: it needs stage ${needed.name}, which has no result.`;
    this.session.append({ type: 'note', level: 'warning', stage: name, message });
    return true;
  }

  private waitForTurn(): Promise<Lock | undefined> {
    return waitForTurn({
      device: DEVICE,
      signal: this.options.signal,
      onAhead: (ahead) => this.session.append({ type: 'run.queued', device: DEVICE, ahead }),
    });
  }

  /** True if the stage is done already, by this run or another. */
  private takeFromCache(stage: PlannedStage): boolean {
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

  private async train(stage: PlannedStage, signal: AbortSignal): Promise<SequenceOutcome> {
    const { workspace } = this.options;
    try {
      acquireLock(workspace.stageLockFile(stage.key), `Stage ${stage.name}`).release();
    } catch (error) {
      const message = explainError(error);
      this.session.append({ type: 'stage.failed', stage: stage.name, reason: 'locked', message });
      return { state: 'failed', message };
    }
    const adopted = this.session.use((log) => adoptStage(workspace, this.run, stage, log));
    if (adopted) {
      const message = `Stage ${stage.name} goes on from a checkpoint that run ${adopted} left; its curve was copied.`;
      this.session.append({ type: 'note', level: 'info', stage: stage.name, message });
    }
    return this.runTrainer(stage, this.order(stage), signal);
  }

  /** Profiles a step of the stage, if that is wanted. */
  private async profile(stage: PlannedStage, signal: AbortSignal): Promise<SequenceOutcome> {
    if (!this.options.profile || !stage.train) return { state: 'finished' };
    this.turn ??= await this.waitForTurn();
    if (!this.turn) return { state: 'stopped' };
    const file = join(this.options.workspace.runFolder(this.run), `profile-${encodeURIComponent(stage.name)}.json`);
    return this.runTrainer(stage, { ...this.order(stage), profileFile: file }, signal);
  }

  private async runTrainer(stage: PlannedStage, order: TrainerOrder, signal: AbortSignal): Promise<SequenceOutcome> {
    const { workspace, trainerScript } = this.options;
    const orderFile = join(workspace.runFolder(this.run), 'order.json');
    writeFileSync(orderFile, JSON.stringify(order));
    const logFile = workspace.logFile(this.run);
    const end = await this.session.lend(() => runTrainer({ script: trainerScript, orderFile, logFile, signal }));
    return this.judge(stage, end);
  }

  private judge(stage: PlannedStage, end: TrainerEnd): SequenceOutcome {
    const { workspace } = this.options;
    if (end.state === 'finished' || end.state === 'stopped') return { state: end.state };
    const last = readLog(workspace.eventsFile(this.run)).events.at(-1);
    if (last?.type === 'stage.failed' && last.stage === stage.name) return { state: 'failed', message: last.message };
    const message = `The trainer of stage ${stage.name} ${lastWords(end, workspace.logFile(this.run))}`;
    this.session.append({ type: 'stage.failed', stage: stage.name, reason: 'crashed', message });
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
