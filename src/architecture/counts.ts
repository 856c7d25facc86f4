import { type Architecture, attentionExperts, keyValueExperts } from './architecture';
import { elementCount, ffnProjections, parameterSpecs } from './parameters';

export interface ParameterCounts {
  total: number;
  /** Parameters that take part in one token's forward pass. */
  active: number;
}

/**
 * Total and active parameters. Active counts every attention expert (soft routing uses all) and `ffnTopK` FFN experts.
 * Reproduces the published totals of BAM (arXiv 2408.08274, Tables 8 and 9).
 */
export function countParameters(architecture: Architecture): ParameterCounts {
  const mixture = architecture.mixture;
  let total = 0;
  let idle = 0;
  for (const spec of parameterSpecs(architecture)) {
    const size = elementCount(spec.shape);
    total += size;
    const isFfnExpert = spec.expert !== undefined && spec.name.includes('.ffn.');
    if (mixture && isFfnExpert && spec.expert! >= mixture.ffnTopK) idle += size;
  }
  return { total, active: total - idle };
}

/** FLOPs of one token's forward pass, by part. A multiply and an add count as two. */
export interface ForwardFlops {
  /** One layer's attention: projections, and scores and values over half of the context (causal). */
  attention: number;
  /** One layer's chosen FFN experts. */
  ffn: number;
  /** One layer's routers. */
  routers: number;
  /** Whole model: all layers and the output head. */
  total: number;
}

/**
 * FLOPs a token at full context, as counted in BAM's Table 7 (arXiv 2408.08274): matrix products only, the causal half of
 * attention; norms, softmax and activation functions are left out. The output head is added once.
 */
export function forwardFlops(architecture: Architecture): ForwardFlops {
  const { width, heads, kvHeads, ffnHidden, context, layers, vocabulary } = architecture;
  const mixture = architecture.mixture;
  const experts = attentionExperts(architecture);
  const keyWidth = (width / heads) * kvHeads;
  const queryAndOutput = experts * 2 * (2 * width * width);
  const keyAndValue = keyValueExperts(architecture) * 2 * (2 * width * keyWidth);
  const attention = queryAndOutput + keyAndValue + experts * 2 * context * width;
  const ffn = (mixture?.ffnTopK ?? 1) * ffnProjections(architecture).length * 2 * width * ffnHidden;
  const ffnRouter = mixture ? 2 * width * mixture.experts : 0;
  const attentionRouter = experts > 1 ? 2 * width * experts : 0;
  const routers = ffnRouter + attentionRouter;
  return { attention, ffn, routers, total: layers * (attention + ffn + routers) + 2 * width * vocabulary };
}

/** FLOPs to train on one token: a forward pass and a backward pass of twice its cost. */
export function trainingFlops(architecture: Architecture): number {
  return 3 * forwardFlops(architecture).total;
}
