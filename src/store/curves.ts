import type { Routing } from '../events/event';
import type { Database } from './database';

/** One optimizer step of a curve; the columns are those of the `step` event. */
export interface StepPoint {
  step: number;
  /** Milliseconds since 1970, UTC. */
  time: number;
  tokens: number;
  flops: number;
  loss: number;
  languageModel: number;
  loadBalance: number;
  routerZ: number;
  learningRate: number;
  gradientNorm: number;
  tokensPerSecond: number;
  residentBytes: number;
  tensors: number;
}

/** One held-out evaluation of a curve. */
export interface EvaluationPoint {
  step: number;
  tokens: number;
  flops: number;
  average: number;
  /** Perplexity by domain. */
  perplexity: Record<string, number>;
}

const STEP_COLUMNS =
  'step, time, tokens, flops, loss, languageModel, loadBalance, routerZ, learningRate, gradientNorm, tokensPerSecond, residentBytes, tensors';

/** Where the points of a stage are: for a cached stage, in the run that trained it, maybe under another name. */
export interface StageSource {
  run: string;
  stage: string;
}

export interface StageCurves extends StageSource {
  steps: StepPoint[];
  evaluations: EvaluationPoint[];
}

/** What the routers did in one training batch (`domain` is `null`) or in the held-out part of one domain. */
export interface RoutingPoint {
  step: number;
  domain: string | null;
  routers: Routing[];
}

/** What changes when a stage logs something (`state`, `updated`), and when its earlier points may be void (`began`, `fromRun`). */
export interface StageMark {
  name: string;
  state: string;
  began: number | null;
  updated: number | null;
  fromRun: string | null;
  steps: number | null;
}

/** The marks of a run's stages, in the order of the plan; empty for a run that is not there. */
export function queryStageMarks(index: Database, run: string): Promise<StageMark[]> {
  return index.all('select name, state, began, updated, fromRun, steps from stages where run = ? order by position', [
    run,
  ]);
}

/** What a stage logged behind a point of its log. */
export interface StagePage {
  steps: StepPoint[];
  evaluations: EvaluationPoint[];
  routing: RoutingPoint[];
  /** Where the next page begins; pass it as `after`. */
  next: number;
  /** Whether there is more already. */
  more: boolean;
}

/**
 * The points of a stage behind the event with sequence number `after`, at most `limit` events: for a view that takes a long curve in
 * parts and follows a running stage. Of the routing in training batches only every `routingEvery`th step comes.
 */
export async function queryPage(
  index: Database,
  source: StageSource,
  { after, limit, routingEvery }: { after: number; limit: number; routingEvery: number },
): Promise<StagePage> {
  const where = 'run = ? and stage = ? and sequence > ?';
  const values = [source.run, source.stage, after];
  const steps = await index.all<StepPoint & { sequence: number }>(
    `select sequence, ${STEP_COLUMNS} from steps where ${where} order by sequence limit ?`,
    [...values, limit],
  );
  const isFull = steps.length === limit;
  const end = isFull ? steps.at(-1)!.sequence : Number.MAX_SAFE_INTEGER;
  const routing = await index.all<{ sequence: number; step: number; domain: string; routers: string }>(
    `select sequence, step, domain, routers from routing where ${where} and sequence <= ? and (domain != '' or step % ? = 0)
     order by sequence`,
    [...values, end, routingEvery],
  );
  const evaluations = await index.all<EvaluationRow & { sequence: number }>(
    `select e.sequence, e.step, e.tokens, e.flops, e.average, d.domain, d.perplexity from evaluations as e
     left join evaluationDomains as d on d.run = e.run and d.sequence = e.sequence
     where e.run = ? and e.stage = ? and e.sequence > ? and e.sequence <= ? order by e.sequence, d.position`,
    [...values, end],
  );
  const last = [steps, routing, evaluations].map((rows) => rows.at(-1)?.sequence ?? after);
  return {
    steps: steps.map(({ sequence: _sequence, ...step }) => step),
    evaluations: evaluationPoints(evaluations),
    routing: routing.map(routingPoint),
    next: isFull ? end : Math.max(...last),
    more: isFull,
  };
}

/** The curves of a stage, by step. A cached stage whose training run is gone has its one evaluation and no steps. */
export async function queryCurves(index: Database, run: string, stage: string): Promise<StageCurves> {
  const source = await trainedBy(index, run, stage);
  const steps = await index.all<StepPoint>(
    `select ${STEP_COLUMNS} from steps where run = ? and stage = ? order by step`,
    [source.run, source.stage],
  );
  return { ...source, steps, evaluations: await queryEvaluations(index, source.run, source.stage) };
}

/** Routing over time, training batches and held-out domains, by step; of the training run for a cached stage. */
export async function queryRouting(index: Database, run: string, stage: string): Promise<RoutingPoint[]> {
  const source = await trainedBy(index, run, stage);
  // A stage's last evaluation may stand at the step of its last point: the later event counts.
  const rows = await index.all<{ step: number; domain: string; routers: string }>(
    `select step, domain, routers, max(sequence) from routing where run = ? and stage = ?
     group by step, domain order by step, sequence`,
    [source.run, source.stage],
  );
  return rows.map(routingPoint);
}

/** Routing of a stage's last evaluation, a point for each domain; of the training run for a cached stage. */
export async function queryLastRouting(index: Database, run: string, stage: string): Promise<RoutingPoint[]> {
  const source = await trainedBy(index, run, stage);
  const rows = await index.all<{ step: number; domain: string; routers: string }>(
    `select step, domain, routers from routing where run = ? and stage = ? and sequence =
       (select max(sequence) from evaluations where run = ? and stage = ?) and domain != ''`,
    [source.run, source.stage, source.run, source.stage],
  );
  return rows.map(routingPoint);
}

function routingPoint({ step, domain, routers }: { step: number; domain: string; routers: string }): RoutingPoint {
  return { step, domain: domain || null, routers: JSON.parse(routers) as Routing[] };
}

type EvaluationRow = Omit<EvaluationPoint, 'perplexity'> & { domain: string | null; perplexity: number };

async function queryEvaluations(index: Database, run: string, stage: string): Promise<EvaluationPoint[]> {
  const rows = await index.all<EvaluationRow>(
    `select e.step, e.tokens, e.flops, e.average, d.domain, d.perplexity
     from (select run, max(sequence) as sequence from evaluations where run = ? and stage = ? group by step) as last
     join evaluations as e on e.run = last.run and e.sequence = last.sequence
     left join evaluationDomains as d on d.run = e.run and d.sequence = e.sequence
     order by e.step, d.position`,
    [run, stage],
  );
  return evaluationPoints(rows);
}

/** One point a step, from one row a domain. */
function evaluationPoints(rows: readonly EvaluationRow[]): EvaluationPoint[] {
  const points = new Map<number, EvaluationPoint>();
  for (const { step, tokens, flops, average, domain, perplexity } of rows) {
    const point = points.get(step) ?? { step, tokens, flops, average, perplexity: {} };
    if (domain !== null) point.perplexity[domain] = perplexity;
    points.set(step, point);
  }
  return [...points.values()];
}

/** Where a stage's points are. */
export async function trainedBy(index: Database, run: string, stage: string): Promise<StageSource> {
  const origin = await index.get<{ run: string; stage: string }>(
    `select trained.run, trained.name as stage from stages as cached
     join stages as trained on trained.run = cached.fromRun and trained.key = cached.key
     where cached.run = ? and cached.name = ? and cached.state = 'cached'`,
    [run, stage],
  );
  return origin ?? { run, stage };
}
