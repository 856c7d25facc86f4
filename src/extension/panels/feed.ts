import { RunError } from '../../base/errors';
import { type DashboardMessage, type Points, STEP_COLUMNS, type StepColumns } from '../../messages/contract';
import { collectRunView } from '../../report/run-view';
import {
  queryPage,
  queryStageMarks,
  type StageMark,
  type StagePage,
  type StageSource,
  trainedBy,
} from '../../store/curves';
import type { Database } from '../../store/database';
import type { Workspace } from '../../store/layout';

/** Steps that are read at once: this many take well under 50 ms, and between pages the extension host does other things. */
const PAGE = 500;
/** Training batches of a stage whose routing is sent, about. */
const ROUTING_POINTS = 400;

/** Reads from the index: `Project.query`. */
export type Query = <T>(work: (index: Database) => Promise<T>) => Promise<T>;

interface Sent {
  /** Changes with everything that makes earlier points void. */
  origin: string;
  /** Changes with everything that a stage logs. */
  mark: string;
  source: StageSource;
  routingEvery: number;
  after: number;
}

/** The points of one run for one page: remembers what was sent, so that each call gives what is new since. */
export class PointFeed {
  private readonly sent = new Map<string, Sent>();

  constructor(
    private readonly query: Query,
    private readonly run: string,
  ) {}

  /** All points that were not given yet, page by page. A stage that was resumed or trained anew comes anew, its first page `isFirst`. */
  async *news(): AsyncGenerator<Points> {
    const marks = await this.query((index) => queryStageMarks(index, this.run));
    for (const mark of marks) yield* this.newsOf(mark);
  }

  private async *newsOf({ name, ...mark }: StageMark): AsyncGenerator<Points> {
    const origin = JSON.stringify([mark.began, mark.fromRun]);
    const known = this.sent.get(name);
    if (known?.mark === JSON.stringify(mark)) return;
    let isFirst = known?.origin !== origin;
    const sent = known && !isFirst ? known : await this.query((index) => this.begin(index, name, origin));
    this.sent.set(name, sent);
    for (let more = true; more;) {
      const page = await this.query((index) => queryPage(index, sent.source, { ...sent, limit: PAGE }));
      more = page.more;
      sent.after = page.next;
      if (isFirst || page.steps.length || page.evaluations.length || page.routing.length) {
        yield pointsMessage(this.run, name, isFirst, page);
      }
      isFirst = false;
    }
    sent.mark = JSON.stringify(mark);
  }

  private async begin(index: Database, stage: string, origin: string): Promise<Sent> {
    const source = await trainedBy(index, this.run, stage);
    const marks = await queryStageMarks(index, source.run);
    const steps = marks.find(({ name }) => name === source.stage)?.steps ?? 0;
    const routingEvery = Math.max(1, Math.ceil(steps / ROUTING_POINTS));
    return { origin, mark: '', source, routingEvery, after: 0 };
  }
}

/** Everything a dashboard shows of one run: its state, then its points. */
export class RunFeed {
  private readonly points: PointFeed;
  private lastRun = '';

  constructor(
    private readonly workspace: Workspace,
    private readonly query: Query,
    private readonly run: string,
  ) {
    this.points = new PointFeed(query, run);
  }

  /** What is new since the last call. A run whose folder is gone gives `gone`. */
  async *news(): AsyncGenerator<DashboardMessage> {
    const run = await this.query((index) => collectRunView(this.workspace, index, this.run)).catch(ifUnknown);
    if (!run) {
      yield { type: 'gone', message: `The run ${this.run} is gone: its folder was deleted or moved.` };
      return;
    }
    const text = JSON.stringify(run);
    if (text !== this.lastRun) yield { type: 'run', root: this.workspace.root, run };
    this.lastRun = text;
    yield* this.points.news();
  }
}

function ifUnknown(error: unknown): undefined {
  if (!(error instanceof RunError) || error.reason !== 'unknown-run') throw error;
}

function pointsMessage(run: string, stage: string, isFirst: boolean, page: StagePage): Points {
  const { evaluations, routing } = page;
  const columns = STEP_COLUMNS.map((column) => [
    column,
    // The index has no value where a log of another version had none.
    Float64Array.from(page.steps, (step) => step[column] ?? NaN),
  ]);
  return {
    type: 'points',
    run,
    stage,
    isFirst,
    steps: Object.fromEntries(columns) as StepColumns,
    evaluations,
    routing,
  };
}
