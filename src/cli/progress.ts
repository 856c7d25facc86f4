import { formatCount, formatDuration } from '../base/format';
import type { EventOf, RunEvent } from '../events/event';
import { readLog } from '../events/log';
import { describeSeeds } from '../plan/facts';
import type { PlannedStage } from '../plan/plan';
import { LiveLine } from './live-line';
import type { Output } from './output';

const POLL_MILLISECONDS = 250;

/** Shows a run's events as they come: one line that is rewritten in a terminal, a line now and then elsewhere. */
export class RunProgress {
  private offset = 0;
  private timer: NodeJS.Timeout | undefined;
  private readonly output: LiveLine;
  private reported = new Set<string>();
  /** The last step of stages that train now, and those that need no more work. */
  private readonly atWork = new Map<string, EventOf<'step'>>();
  private readonly done = new Set<string>();
  /** FLOPs a second by stage, smoothed, from which the time left follows. */
  private readonly speeds = new Map<string, number>();

  constructor(
    private readonly eventsFile: string,
    private readonly stages: readonly PlannedStage[],
    output: Output,
    /** Also show notes that warn of nothing. */
    private readonly showNotes = false,
  ) {
    this.output = new LiveLine(output);
  }

  start(): void {
    this.timer = setInterval(() => this.poll(), POLL_MILLISECONDS);
  }

  /** Shows what is left in the log and stops. */
  finish(): void {
    clearInterval(this.timer);
    this.poll();
    this.output.clear();
  }

  private poll(): void {
    const { events, offset, problems } = readLog(this.eventsFile, this.offset);
    this.offset = offset;
    for (const problem of problems) this.output.print(`warning: ${problem}`);
    for (const event of events) this.show(event);
    if (this.atWork.size && events.some((event) => event.type === 'step'))
      this.output.live(
        this.describeSteps([...this.atWork.values()]),
        events.some((event) => event.type === 'evaluation'),
      );
  }

  private show(event: RunEvent): void {
    this.follow(event);
    switch (event.type) {
      case 'run.started':
        // A detached run that is not planned yet.
        if (!event.stages.length) return;
        return this.output.print(
          `Run ${event.run}: ${event.stages.length} stages of ${event.experiment}, ${describeSeeds(this.stages)}`,
        );
      case 'run.queued':
        return this.output.print(waitingText(event.ahead));
      case 'stage.started':
        if (!this.reported.has(event.engine)) this.output.print(`Engine: ${event.engine}`);
        this.reported.add(event.engine);
        return;
      case 'stage.job':
        return this.output.live(`${this.place(event.stage)}: job ${event.job} ${event.reason ?? `on ${event.node}`}`);
      case 'stage.cached':
        return this.output.print(`${this.place(event.stage)}: taken from run ${event.fromRun}`);
      case 'stage.preparing':
        return this.output.live(`${this.place(event.stage)}: ${event.what} ${percent(event.done, event.total)}`);
      case 'stage.finished': {
        const average = event.evaluation.averagePerplexity.toFixed(3);
        const took = formatDuration(event.seconds);
        return this.output.print(
          `${this.place(event.stage)}: ${event.step} steps in ${took}, average perplexity ${average}`,
        );
      }
      case 'stage.stopped':
        return this.output.print(`${this.place(event.stage)}: stopped at step ${event.step}`);
      case 'note':
        if (event.level === 'warning') this.output.print(`warning: ${event.message}`);
        else if (this.showNotes) this.output.print(event.message);
        return;
      default:
    }
  }

  private follow(event: RunEvent): void {
    switch (event.type) {
      case 'step':
        this.atWork.set(event.stage, event);
        this.measureSpeed(event);
        return;
      case 'stage.finished':
      case 'stage.cached':
      case 'stage.failed':
        this.done.add(event.stage);
        this.atWork.delete(event.stage);
        return;
      case 'stage.stopped':
        this.atWork.delete(event.stage);
        return;
      default:
    }
  }

  private measureSpeed(event: EventOf<'step'>): void {
    const train = this.stage(event.stage)?.train;
    if (!train) return;
    const flops = (event.tokensPerSecond * train.flops) / train.tokens;
    const before = this.speeds.get(event.stage);
    this.speeds.set(event.stage, before === undefined ? flops : 0.9 * before + 0.1 * flops);
  }

  private describeSteps(events: readonly EventOf<'step'>[]): string {
    const places = events.map(({ stage, step, languageModel }) => {
      const steps = this.stage(stage)?.train?.steps ?? step;
      return `${this.place(stage)}: step ${step}/${steps} ${percent(step, steps)}, loss ${languageModel.toFixed(3)}`;
    });
    const speed = events.reduce((sum, { stage }) => sum + (this.speeds.get(stage) ?? 0), 0);
    const left = speed ? formatDuration(this.flopsLeft() / speed) : '?';
    const tokensPerSecond = events.reduce((sum, event) => sum + event.tokensPerSecond, 0);
    return `${places.join('; ')}, ${formatCount(tokensPerSecond)} tokens/s, about ${left} left`;
  }

  /** Of all stages that are not done. */
  private flopsLeft(): number {
    return this.stages
      .filter(({ name }) => !this.done.has(name))
      .reduce((sum, { name, train }) => sum + (train?.flops ?? 0) - (this.atWork.get(name)?.flops ?? 0), 0);
  }

  private stage(name: string): PlannedStage | undefined {
    return this.stages.find((stage) => stage.name === name);
  }

  private place(name: string): string {
    return `[${this.stages.findIndex((stage) => stage.name === name) + 1}/${this.stages.length}] ${name}`;
  }
}

/** How many runs are ahead in the queue, in words. */
export function waitingText(ahead: number): string {
  return ahead ? `waiting for ${ahead} run${ahead === 1 ? '' : 's'} on this machine` : 'its turn has come';
}

function percent(done: number, total: number | undefined): string {
  return total ? `${Math.floor((100 * done) / total)} %` : '';
}
