import { explainError } from '../base/errors';
import type { Lock } from '../base/lock';
import type { EventBody } from '../events/event';
import { neededBy } from '../plan/graph';
import type { PlannedStage } from '../plan/plan';
import { lastAttempt } from '../store/attempts';
import type { RunSession } from './session';
import { type StageOptions, type StageOutcome, StageRunner } from './stage-runner';

/** What went wrong, by stage; one message stands for itself. */
export function describeFailures(failures: ReadonlyMap<string, string>): string {
  if (failures.size === 1) return [...failures.values()][0]!;
  const lines = [...failures].map(([stage, message]) => `${stage}: ${message}`);
  return `${failures.size} stages failed.\n${lines.join('\n')}`;
}

/** A note for a stage that is not run, since one that it needs has no result. */
export function leftOutNote(stage: string, needed: string): EventBody {
  const message = `Stage ${stage} was left out: it needs stage ${needed}, which has no result.`;
  return { type: 'note', level: 'warning', stage, message };
}

/**
 * Runs the stages of a run: those whose needed stages are done, in the plan's order, as many side by side as the launcher has slots. A
 * stage that fails takes with it only those that need it; one that is stopped stops all.
 */
export class Execution {
  /** Those that have not begun, in the plan's order. */
  private waiting: PlannedStage[] = [];
  private readonly running = new Map<string, Promise<void>>();
  /** Why stages failed, by name, and stages that need one of those. */
  private readonly failures = new Map<string, string>();
  private readonly leftOut = new Set<string>();
  private readonly stopping = new AbortController();
  /** The right to use the devices, from the first training on. */
  private turn: Promise<Lock | undefined> | undefined;
  /** What makes it pointless to go on, such as a full disk. */
  private breakdown: { error: unknown } | undefined;

  constructor(
    private readonly options: StageOptions & { signal: AbortSignal },
    private readonly run: string,
    private readonly session: RunSession,
  ) {}

  async execute(stages: readonly PlannedStage[]): Promise<StageOutcome> {
    const { signal } = this.options;
    const stop = (): void => this.stopping.abort();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      return await this.executeAll(stages);
    } finally {
      signal.removeEventListener('abort', stop);
      (await this.turn)?.release();
    }
  }

  private async executeAll(stages: readonly PlannedStage[]): Promise<StageOutcome> {
    const inTheWay = await this.recover(stages);
    if (inTheWay) return { state: 'failed', message: explainError(inTheWay) };
    const runner = new StageRunner(this.options, this.run, this.session, () => this.takeTurn());
    this.waiting = [...stages];
    for (;;) {
      for (let stage = this.nextStage(); stage; stage = this.nextStage()) {
        this.begin(stage, runner.execute(stage, this.stopping.signal));
      }
      if (!this.running.size) break;
      await Promise.race(this.running.values());
    }
    if (this.breakdown) throw this.breakdown.error;
    if (this.stopping.signal.aborted) return { state: 'stopped' };
    return this.failures.size ? { state: 'failed', message: describeFailures(this.failures) } : { state: 'finished' };
  }

  /** Looks after what an earlier launcher of this run left at work; gives an error if that is in the way. */
  private async recover(stages: readonly PlannedStage[]): Promise<Error | undefined> {
    const { workspace, launcher } = this.options;
    const attempts = stages.flatMap(({ name }) => lastAttempt(workspace, this.run, name) ?? []);
    try {
      await Promise.all(attempts.map((attempt) => launcher.recover(attempt)));
      this.session.attempts.copyAll();
      return undefined;
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  }

  private begin({ name }: PlannedStage, outcome: Promise<StageOutcome>): void {
    const settle = ({ state, message }: StageOutcome): void => {
      if (state === 'failed') this.failures.set(name, message ?? 'failed');
      if (state === 'stopped') this.stopping.abort();
    };
    const breakDown = (error: unknown): void => {
      this.breakdown ??= { error };
      this.stopping.abort();
    };
    const done = outcome.then(settle).catch(breakDown);
    this.running.set(
      name,
      done.finally(() => this.running.delete(name)),
    );
  }

  /** The next stage that can begin now, taken out of those that wait; `undefined` if there is none or no slot is free. */
  private nextStage(): PlannedStage | undefined {
    if (this.stopping.signal.aborted || this.running.size >= this.options.launcher.slots) return undefined;
    for (const stage of [...this.waiting]) {
      const isNeeded = new Set([...this.waiting.map(({ name }) => name), ...this.running.keys()]);
      if (neededBy(stage).some(({ name }) => isNeeded.has(name))) continue;
      this.waiting = this.waiting.filter((other) => other !== stage);
      if (!this.isLeftOut(stage)) return stage;
    }
    return undefined;
  }

  /** True if the stage needs one that failed, which is said in the log. */
  private isLeftOut(stage: PlannedStage): boolean {
    const { name } = stage;
    const needed = neededBy(stage).find((parent) => this.failures.has(parent.name) || this.leftOut.has(parent.name));
    if (!needed) return false;
    this.leftOut.add(name);
    this.session.append(leftOutNote(name, needed.name));
    return true;
  }

  /** True once this run may use the devices; false if it was stopped before. */
  private async takeTurn(): Promise<boolean> {
    this.turn ??= this.options.launcher.takeTurn({
      signal: this.stopping.signal,
      onAhead: (device, ahead) => this.session.append({ type: 'run.queued', device, ahead }),
    });
    return (await this.turn) !== undefined;
  }
}
