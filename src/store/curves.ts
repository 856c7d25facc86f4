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

export interface StageCurves {
  /** The run and stage whose log holds the points: for a cached stage, those that trained it. */
  run: string;
  stage: string;
  steps: StepPoint[];
  evaluations: EvaluationPoint[];
}

/** What the routers did in one training batch (`domain` is `null`) or in the held-out part of one domain. */
export interface RoutingPoint {
  step: number;
  domain: string | null;
  routers: Routing[];
}

/** The curves of a stage, by step. A cached stage whose training run is gone has its one evaluation and no steps. */
export async function queryCurves(index: Database, run: string, stage: string): Promise<StageCurves> {
  const source = await trainedBy(index, run, stage);
  const steps = await index.all<StepPoint>(
    `select step, time, tokens, flops, loss, languageModel, loadBalance, routerZ, learningRate, gradientNorm,
       tokensPerSecond, residentBytes, tensors
     from steps where run = ? and stage = ? order by step`,
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
  return rows.map(({ step, domain, routers }) => ({
    step,
    domain: domain || null,
    routers: JSON.parse(routers) as Routing[],
  }));
}

async function queryEvaluations(index: Database, run: string, stage: string): Promise<EvaluationPoint[]> {
  const rows = await index.all<Omit<EvaluationPoint, 'perplexity'> & { domain: string | null; perplexity: number }>(
    `select e.step, e.tokens, e.flops, e.average, d.domain, d.perplexity
     from (select run, max(sequence) as sequence from evaluations where run = ? and stage = ? group by step) as last
     join evaluations as e on e.run = last.run and e.sequence = last.sequence
     left join evaluationDomains as d on d.run = e.run and d.sequence = e.sequence
     order by e.step, d.position`,
    [run, stage],
  );
  const points = new Map<number, EvaluationPoint>();
  for (const { domain, perplexity, ...evaluation } of rows) {
    const point = points.get(evaluation.step) ?? { ...evaluation, perplexity: {} };
    if (domain !== null) point.perplexity[domain] = perplexity;
    points.set(evaluation.step, point);
  }
  return [...points.values()];
}

/** Where a stage's points are: in its own run, or for a cached stage in the run that trained it, maybe under another name. */
async function trainedBy(index: Database, run: string, stage: string): Promise<{ run: string; stage: string }> {
  const origin = await index.get<{ run: string; stage: string }>(
    `select trained.run, trained.name as stage from stages as cached
     join stages as trained on trained.run = cached.fromRun and trained.key = cached.key
     where cached.run = ? and cached.name = ? and cached.state = 'cached'`,
    [run, stage],
  );
  return origin ?? { run, stage };
}
