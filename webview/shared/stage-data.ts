import {
  type EvaluationPoint,
  type Points,
  type RoutingPoint,
  STEP_COLUMNS,
  type StepColumn,
} from '../../src/messages/contract';

/** A column of numbers that grows without being copied at every growth. */
export class Column {
  private buffer = new Float64Array(1024);
  private length = 0;

  /** What it holds so far. Later growth does not change it. */
  get values(): Float64Array {
    return this.buffer.subarray(0, this.length);
  }

  push(values: Float64Array): void {
    const needed = this.length + values.length;
    if (needed > this.buffer.length) {
      const grown = new Float64Array(Math.max(needed, 2 * this.buffer.length));
      grown.set(this.values);
      this.buffer = grown;
    }
    this.buffer.set(values, this.length);
    this.length = needed;
  }
}

/** Everything a page knows of one stage's points. */
export class StageData {
  readonly columns = Object.fromEntries(STEP_COLUMNS.map((column) => [column, new Column()])) as Record<
    StepColumn,
    Column
  >;
  private readonly evaluationsByStep = new Map<number, EvaluationPoint>();
  private readonly routingByPlace = new Map<string, RoutingPoint>();

  /** Takes in a page of points. A stage's last evaluation may stand at the step of an earlier one: the later counts. */
  add({ steps, evaluations, routing }: Points): void {
    for (const column of STEP_COLUMNS) this.columns[column].push(steps[column]);
    for (const evaluation of evaluations) this.evaluationsByStep.set(evaluation.step, evaluation);
    for (const point of routing) this.routingByPlace.set(JSON.stringify([point.step, point.domain]), point);
  }

  /** By step. */
  get evaluations(): EvaluationPoint[] {
    return [...this.evaluationsByStep.values()].sort((a, b) => a.step - b.step);
  }

  /** What the routers did in one domain's held-out text, or in training batches (`null`), by step. */
  routing(domain: string | null): RoutingPoint[] {
    return [...this.routingByPlace.values()].filter((point) => point.domain === domain).sort((a, b) => a.step - b.step);
  }

  get hasRouting(): boolean {
    return this.routingByPlace.size > 0;
  }
}

/** The points of runs' stages, as their messages come in. */
export class PointStore {
  private readonly stages = new Map<string, StageData>();

  add(points: Points): void {
    const key = keyOf(points.run, points.stage);
    const known = points.isFirst ? undefined : this.stages.get(key);
    const data = known ?? new StageData();
    data.add(points);
    this.stages.set(key, data);
  }

  /** Empty for a stage that nothing came of yet. */
  of(run: string, stage: string): StageData {
    return this.stages.get(keyOf(run, stage)) ?? new StageData();
  }
}

function keyOf(run: string, stage: string): string {
  return JSON.stringify([run, stage]);
}
