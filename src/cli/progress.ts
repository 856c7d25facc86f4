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
  /** FLOPs a second, smoothed, from which the time left follows. */
  private speed: number | undefined;

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
    const last = events.findLast((event) => event.type === 'step');
    if (last)
      this.output.live(
        this.describeStep(last),
        events.some((event) => event.type === 'evaluation'),
      );
  }

  private show(event: RunEvent): void {
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
      case 'stage.cached':
        return this.output.print(`${this.place(event.stage)}: taken from run ${event.fromRun}`);
      case 'stage.preparing':
        return this.output.live(`${this.place(event.stage)}: ${event.what} ${percent(event.done, event.total)}`);
      case 'step':
        this.measureSpeed(event);
        return;
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

  private measureSpeed(event: EventOf<'step'>): void {
    const stage = this.stage(event.stage);
    if (!stage?.train) return;
    const flops = (event.tokensPerSecond * stage.train.flops) / stage.train.tokens;
    this.speed = this.speed === undefined ? flops : 0.9 * this.speed + 0.1 * flops;
  }

  private describeStep(event: EventOf<'step'>): string {
    const stage = this.stage(event.stage);
    const steps = stage?.train?.steps ?? event.step;
    const left = this.speed ? formatDuration(this.flopsLeft(event) / this.speed) : '?';
    const speed = `${formatCount(event.tokensPerSecond)} tokens/s`;
    const loss = `loss ${event.languageModel.toFixed(3)}`;
    return `${this.place(event.stage)}: step ${event.step}/${steps} ${percent(event.step, steps)}, ${loss}, ${speed}, about ${left} left`;
  }

  /** Of this stage and all later ones. */
  private flopsLeft(event: EventOf<'step'>): number {
    const at = this.stages.findIndex(({ name }) => name === event.stage);
    const later = this.stages.slice(at + 1).reduce((sum, { train }) => sum + (train?.flops ?? 0), 0);
    return later + (this.stages[at]?.train?.flops ?? 0) - event.flops;
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
