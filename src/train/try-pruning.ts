import { type Architecture, hasSoftFfn, remainingExperts, removedExperts } from '../architecture/architecture';
import type { OpenDomain } from '../data/prepare';
import { disposeTables } from '../model/attention';
import { createParameters, disposeParameters, type ModelParameters } from '../model/parameters';
import type { Alike, ExpertReport, ExpertTrial, TrialRequest } from '../plan/expert-report';
import type { PruningMessage } from '../plan/order';
import type { Plan, PlannedStage } from '../plan/plan';
import { checkpointsFolder } from '../plan/result';
import { routerNormChanges } from '../prune/router-norm';
import { evaluateAgain } from './evaluate-stages';
import { EagerModel } from './evaluated-model';
import { loadFinal } from './initial';
import { measureExperts } from './measure-experts';
import { mixOf, weightSimilarity } from './prune';

export interface TryPruning {
  plan: Plan;
  request: TrialRequest;
  stagesFolder: string;
  domains: ReadonlyMap<string, OpenDomain>;
  emit: (message: PruningMessage) => void;
  signal: AbortSignal;
}

/**
 * Scores every FFN expert of a finished mixture, and evaluates the mixture without each of them alone. Changes nothing on disk. Throws the
 * signal's reason.
 */
export async function tryPruning(context: TryPruning): Promise<ExpertReport> {
  const { plan, request, stagesFolder } = context;
  const stage = plan.stages.find(({ name }) => name === request.stage)!;
  const checkpoint = loadFinal(stage.name, checkpointsFolder(stagesFolder, stage.key));
  const { architecture } = checkpoint;
  const parameters = createParameters(architecture, checkpoint.parameters);
  try {
    const perplexity = (own: Architecture, done: number, total: number): Promise<number> =>
      averagePerplexity(own, parameters, stage, { ...context, done, total });
    const experts = scored(context, stage, architecture, checkpoint.parameters, parameters);
    const total = experts.length + 1;
    const whole = await perplexity(architecture, 0, total);
    const trials: ExpertTrial[] = [];
    for (const expert of experts) {
      const own = without(architecture, expert, request.routing);
      trials.push({ ...expert, perplexity: own ? await perplexity(own, trials.length + 1, total) : null });
    }
    return { stage: stage.name, routing: request.routing, perplexity: whole, experts: trials };
  } finally {
    disposeParameters(parameters);
  }
}

type Scored = Omit<ExpertTrial, 'perplexity'>;

/** Every expert with its scores, layer by layer. */
function scored(
  { plan, request, stagesFolder, domains, emit }: TryPruning,
  stage: PlannedStage,
  architecture: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  parameters: ModelParameters,
): Scored[] {
  const { methods, sample, since } = request;
  emit({
    type: 'progress',
    stage: stage.name,
    what: 'tokens of training text on which experts are measured',
    done: sample,
  });
  const source = { architecture, parameters, domains, mix: mixOf(plan, stage.name), tokens: sample, seed: stage.seed };
  const isAlike = methods.includes('similarity');
  const isMeasured = isAlike || methods.includes('usage') || methods.includes('activation');
  const measured = isMeasured ? measureExperts(source, isAlike) : undefined;
  const weights = isAlike ? weightSimilarity(architecture, parameters) : undefined;
  const earlier = plan.stages.find(({ name }) => name === since);
  const before = earlier && loadFinal(earlier.name, checkpointsFolder(stagesFolder, earlier.key)).parameters;
  const changes =
    before && methods.includes('router-norm') ? routerNormChanges(values, before, architecture) : undefined;
  return Array.from({ length: architecture.layers }, (_, layer) => {
    const experts = remainingExperts(architecture.mixture!, layer);
    return experts.map((expert, i): Scored => {
      const { usage, activation, similarity } = measured?.[layer] ?? {};
      return {
        ...{ layer, expert },
        ...(changes && { routerNorm: changes[layer]![expert]! }),
        ...(methods.includes('usage') && { usage: usage![i]! }),
        ...(methods.includes('activation') && { activation: activation![i]! }),
        ...(similarity && experts.length > 1 && { outputs: mostAlike(similarity[i]!, i, experts) }),
        ...(weights && experts.length > 1 && { weights: mostAlike(weights[layer]![i]!, i, experts) }),
      };
    });
  }).flat();
}

/** The other expert with the largest similarity. */
function mostAlike(similarity: readonly number[], own: number, experts: readonly number[]): Alike {
  const others = experts.map((expert, i) => ({ expert, similarity: similarity[i]! })).filter((_, i) => i !== own);
  return others.reduce((best, other) => (other.similarity > best.similarity ? other : best));
}

/** The mixture without one more expert; `undefined` where its router would have too few to choose from. */
function without(
  architecture: Architecture,
  { layer, expert }: Scored,
  routing: TrialRequest['routing'],
): Architecture | undefined {
  const mixture = architecture.mixture!;
  const needed = hasSoftFfn(mixture, layer) ? 1 : mixture.ffnTopK;
  if (remainingExperts(mixture, layer).length <= needed) return undefined;
  const experts = Array.from({ length: architecture.layers }, (_, at) => {
    const removed = [...removedExperts(mixture, at), ...(at === layer ? [expert] : [])];
    return removed.sort((a, b) => a - b);
  });
  return { ...architecture, mixture: { ...mixture, pruned: { experts, routing } } };
}

async function averagePerplexity(
  architecture: Architecture,
  parameters: ModelParameters,
  stage: PlannedStage,
  { request, stagesFolder, domains, emit, signal, done, total }: TryPruning & { done: number; total: number },
): Promise<number> {
  // Its parameters belong to the caller, and it needs not all of them.
  const model = new EagerModel(architecture, parameters);
  try {
    const evaluation = await evaluateAgain(model, stage, {
      ...{ domains, stagesFolder, tokens: request.tokens },
      onProgress: () => {
        signal.throwIfAborted();
        emit({ type: 'progress', stage: stage.name, what: 'models evaluated', done, total });
      },
    });
    return evaluation.averagePerplexity;
  } finally {
    disposeTables(model.tables);
  }
}
