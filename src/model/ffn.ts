import * as tf from '@tensorflow/tfjs';
import {
  type Architecture,
  hasFfnRouter,
  hasSoftFfn,
  type MixtureArchitecture,
  remainingExperts,
  removedExperts,
  samplesFfn,
} from '../architecture/architecture';
import { biasName, ffnName, routerName } from '../architecture/parameters';
import { gatingResidualName } from '../architecture/zero-computation';
import { expertFfn } from '../engine/ops/expert-ffn';
import { linear } from '../engine/ops/linear';
import { denseFfn, type FfnChange, type FfnWeights } from '../engine/ops/ffn-forms';
import { takeRows } from '../engine/ops/rows';
import { blockAdapters } from './adapters';
import { drawn, type DrawTensors, gumbelName, neuronsName, noiseName, TEMPERATURE } from './draws';
import { hashTable } from './hash-routing';
import { matrix, vector } from './lookup';
import type { ModelParameters } from './parameters';
import { remainingLogits, withoutRemoved } from './pruned';
import { choiceOf, expertMask, type RouterOutput, type RouterScores, routerScores } from './routing';
import { sparseFfn } from './sparse-ffn';

/** What a block's FFN gives: its output (tokens, E), its router's decision in a mixture, and those of its adapters. */
export interface FfnOutput {
  output: tf.Tensor2D;
  router?: RouterOutput;
  adapters: RouterOutput[];
}

/** What an FFN is given beside its input. */
export interface FfnContext {
  /** In training alone. */
  draws?: DrawTensors | undefined;
  /** (tokens) int32, for hash routing. */
  ids?: tf.Tensor1D | undefined;
  /** The logits of the FFN router before, (tokens, columns), for gating residuals. */
  scores?: tf.Tensor2D | undefined;
}

/** The FFN of one block, dense or mixture. `u` is the normed input, (tokens, E). */
export function ffn(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  given: FfnContext = {},
): FfnOutput {
  const { mixture } = architecture;
  const { apply, routers: adapters } = blockAdapters(architecture, parameters, layer);
  if (!mixture) {
    const weights = ffnWeights(architecture, parameters, layer);
    return { output: denseFfn(u, weights, neuronScale(given.draws, layer) ?? apply), adapters };
  }
  const experts = remainingExperts(mixture, layer).map((expert) => ffnWeights(architecture, parameters, layer, expert));
  const { output, router } = hasFfnRouter(mixture)
    ? routedFfn(architecture, parameters, layer, u, experts, given)
    : hashedFfn(architecture, layer, u, given.ids!, experts);
  return { output: apply('ffn', u, output), router, adapters };
}

/** What the experts that a router weighs or chooses make of every token, and what it decided. */
function routedFfn(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  experts: readonly FfnWeights[],
  { draws, scores: before }: FfnContext,
): { output: tf.Tensor2D; router: RouterOutput } {
  const { context } = architecture;
  const mixture = architecture.mixture!;
  const columns = remainingExperts(mixture, layer);
  const removed = removedExperts(mixture, layer);
  const scores = ffnScores(mixture, parameters, layer, u, { draws, scores: before });
  const perturbed = draws && samplesFfn(mixture, layer) ? sampledScores(layer, scores.logits, draws) : scores;
  const { output, ...choice } = hasSoftFfn(mixture, layer)
    ? { output: softFfn(u, scores.probabilities, experts, columns) }
    : sparseFfn({ mixture, context, parameters, layer, experts, columns, trains: Boolean(draws) }, u, perturbed);
  const { experts: ffnExperts, zeroComputation } = mixture;
  const router = {
    ...{ layer, router: 'ffn' as const, ...scores, ...choice, ...(removed.length && { removed }) },
    ...(zeroComputation && { zeroComputation: { ffnExperts, tau: zeroComputation.tau } }),
  };
  return { output, router };
}

/**
 * The FFN router's scores of every token, (tokens, columns), with noise in training and the residual of the router before; masked removed
 * experts have no part in them.
 */
export function ffnScores(
  mixture: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  { draws, scores: before }: FfnContext,
): RouterScores {
  const { router, gatingResidual, pruned } = mixture;
  const removed = removedExperts(mixture, layer);
  const seen: tf.Tensor2D = router?.noise && draws ? tf.mul(u, drawn(draws, noiseName(layer))) : u;
  const gone = pruned?.routing === 'masked' ? removedExperts(mixture, layer - 1) : [];
  const earlier = before && gone.length ? remainingLogits(before, gone) : before;
  const residual = gatingResidual && earlier && linear(earlier, matrix(parameters, gatingResidualName(layer)));
  const scores = routerScores(seen, matrix(parameters, routerName(layer, 'ffn')), router?.normalizeLogits, residual);
  return removed.length && pruned?.routing === 'masked' ? withoutRemoved(scores, removed) : scores;
}

/**
 * The scores as BTX's sampling sees them (arXiv 2403.07816, section 3): logits with Gumbel noise, over the temperature. The largest is
 * a draw from the softmax of the logits, whatever the temperature (arXiv 1611.01144); its gate is what it has after the softmax.
 */
function sampledScores(layer: number, logits: tf.Tensor2D, draws: DrawTensors): RouterScores {
  const perturbed: tf.Tensor2D = tf.div(tf.add(logits, drawn(draws, gumbelName(layer))), drawn(draws, TEMPERATURE));
  return { logits: perturbed, probabilities: tf.softmax(perturbed) };
}

/** The weights of one FFN expert of a layer, or of a dense model's FFN. */
export function ffnWeights(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  expert?: number,
): FfnWeights {
  const up = ffnName(layer, 'up', expert);
  const down = ffnName(layer, 'down', expert);
  const both = { up: matrix(parameters, up), down: matrix(parameters, down) };
  if (architecture.ffn !== 'gelu') return { gate: matrix(parameters, ffnName(layer, 'gate', expert)), ...both };
  return { ...both, upBias: vector(parameters, biasName(up)), downBias: vector(parameters, biasName(down)) };
}

/**
 * Where importance is measured: all weights of a hidden neuron, its rows of gate and up and its column of down, times its number among the
 * draws, which is 1.
 */
function neuronScale(draws: DrawTensors | undefined, layer: number): FfnChange | undefined {
  const neurons = draws?.get(neuronsName(layer)) as tf.Tensor1D | undefined;
  return neurons && ((place, _, y) => (place === 'down' ? y : tf.mul(y, neurons)));
}

/**
 * What the expert of every token's id makes of it, without a gate (MoEBERT, arXiv 2204.07675, section 3.3). For statistics the chosen expert
 * has the probability 1; there are no logits, so no losses.
 */
function hashedFfn(
  { mixture, vocabulary }: Architecture,
  layer: number,
  u: tf.Tensor2D,
  ids: tf.Tensor1D,
  experts: readonly FfnWeights[],
): { output: tf.Tensor2D; router: RouterOutput } {
  const table = hashTable(mixture!.hashSeed!, layer, experts.length, vocabulary);
  const chosen = takeRows(tf.tensor1d(table, 'int32'), ids);
  const mask = expertMask(chosen, experts.length); // (T, experts)
  const router = { layer, router: 'ffn' as const, probabilities: mask, ...choiceOf(mask, u.shape[0]) };
  return { output: expertFfn(u, chosen, experts), router };
}

/** The sum of all experts' outputs, each times its gate. `gates` (tokens, columns); `columns` are the experts' own. */
function softFfn(
  u: tf.Tensor2D,
  gates: tf.Tensor2D,
  experts: readonly FfnWeights[],
  columns: readonly number[],
): tf.Tensor2D {
  const byColumn: tf.Tensor2D[] = tf.split(gates, gates.shape[1], 1); // (T, 1) each
  return tf.addN(experts.map((expert, i): tf.Tensor2D => tf.mul(denseFfn(u, expert), byColumn[columns[i]!]!)));
}
