import { adapterFlops, isAdapter } from './adapters';
import {
  type Architecture,
  attentionExperts,
  attentionExpertsPerToken,
  ffnExpertsPerToken,
  hasFfnRouter,
  keyValueExperts,
  meanFfnExpertsPerToken,
  removedExperts,
} from './architecture';
import { constantFlops, ffnChoices } from './zero-computation';
import { elementCount, ffnProjections, type ParameterSpec, parameterSpecs } from './parameters';

export interface ParameterCounts {
  total: number;
  /** Parameters that take part in one token's forward pass. */
  active: number;
}

/**
 * Total and active parameters. Active counts the experts that one token uses: of the FFNs those it is sent to, of attention
 * queries and outputs those it keeps (all with soft routing), and all keys and values. Where a token may be sent to zero-computation
 * experts, its FFN experts are as many as on average in a balanced mixture.
 * Reproduces the published totals of BAM (arXiv 2408.08274, Tables 8 and 9).
 */
export function countParameters(architecture: Architecture): ParameterCounts {
  let total = 0;
  let active = 0;
  for (const spec of parameterSpecs(architecture)) {
    const size = elementCount(spec.shape);
    total += size;
    // A part of an expert, where a token has that many of them on average.
    active += size * Math.min(1, Math.max(0, expertsPerToken(architecture, spec) - placeOf(architecture, spec)));
  }
  return { total, active: Math.round(active) };
}

/** The place of a tensor's expert among those that there are. */
function placeOf({ mixture }: Architecture, { name, layer, expert = 0 }: ParameterSpec): number {
  if (!mixture || !name.includes('.ffn.')) return expert;
  return expert - removedExperts(mixture, layer!).filter((removed) => removed < expert).length;
}

/** How many parameters the adapters of a model have: all that train in it. 0 without adapters. */
export function countAdapters(architecture: Architecture): number {
  const adapters = parameterSpecs(architecture).filter(isAdapter);
  return adapters.reduce((sum, { shape }) => sum + elementCount(shape), 0);
}

/** Of how many experts a token uses this tensor. */
function expertsPerToken(architecture: Architecture, { name, layer, expert }: ParameterSpec): number {
  const { mixture } = architecture;
  if (mixture?.zeroComputation && name.includes('.ffn.')) {
    return expert === undefined ? 1 : meanFfnExpertsPerToken(mixture, layer!);
  }
  if (mixture && name.includes('.ffn.')) return ffnExpertsPerToken(mixture, layer!);
  // Later tokens look at the keys and values of every expert.
  if (/\.(key|value)\./.test(name)) return keyValueExperts(architecture);
  return attentionExpertsPerToken(architecture);
}

/** FLOPs of one token's forward pass, by part. A multiply and an add count as two. */
export interface ForwardFlops {
  /** One layer's attention: projections, and scores and values over half of the context (causal). */
  attention: number;
  /** The chosen FFN experts of the last layer. Only BTX's sampling has layers that differ: all experts in layer 0. */
  ffn: number;
  /** The routers of a layer, not the first. */
  routers: number;
  /** Whole model: all layers with their adapters, and the output head. */
  total: number;
}

/**
 * FLOPs a token at full context, as counted in BAM's Table 7 (arXiv 2408.08274): matrix products only, the causal half of
 * attention; norms, softmax and activation functions are left out. The output head is added once. Of attention experts that
 * are not chosen, only keys and values count: what the method costs, not what we compute. Removed FFN experts cost nothing:
 * see `meanFfnExpertsPerToken`.
 */
export function forwardFlops(architecture: Architecture): ForwardFlops {
  const { width, heads, kvHeads, ffnHidden, context, layers, vocabulary, mixture } = architecture;
  const chosen = attentionExpertsPerToken(architecture);
  const keyWidth = (width / heads) * kvHeads;
  const queryAndOutput = chosen * 2 * (2 * width * width);
  const keyAndValue = keyValueExperts(architecture) * 2 * (2 * width * keyWidth);
  const attention = queryAndOutput + keyAndValue + chosen * 2 * context * width;
  const ffnOf = (layer: number): number =>
    constantFlops(architecture) +
    (mixture ? meanFfnExpertsPerToken(mixture, layer) : 1) *
      ffnProjections(architecture).length *
      2 *
      width *
      ffnHidden;
  const allFfns = Array.from({ length: layers }, (_, layer) => ffnOf(layer)).reduce((sum, flops) => sum + flops);
  const experts = attentionExperts(architecture);
  const ffnRouter = mixture && hasFfnRouter(mixture) ? 2 * width * ffnChoices(mixture) : 0;
  const attentionRouter = experts > 1 ? 2 * width * experts : 0;
  const residual = mixture?.gatingResidual ? 2 * ffnChoices(mixture) ** 2 : 0;
  const routers = ffnRouter + attentionRouter + residual;
  const all = layers * (attention + routers + adapterFlops(architecture)) + allFfns + 2 * width * vocabulary;
  const total = all - residual; // The first router has none.
  return { attention, ffn: ffnOf(layers - 1), routers, total };
}

/** FLOPs to train on one token: a forward pass and a backward pass of twice its cost. */
export function trainingFlops(architecture: Architecture): number {
  return 3 * forwardFlops(architecture).total;
}
