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
import { balanceBiasName, biasName, ffnName, routerName } from '../architecture/parameters';
import { capacities, gatingResidualName } from '../architecture/zero-computation';
import { expertFfn } from '../engine/ops/expert-ffn';
import { linear } from '../engine/ops/linear';
import { denseFfn, type FfnChange, type FfnWeights } from '../engine/ops/ffn-forms';
import { takeRows } from '../engine/ops/rows';
import { topExperts } from '../engine/ops/top-experts';
import { blockAdapters } from './adapters';
import { drawn, type DrawTensors, gumbelName, neuronsName, noiseName, TEMPERATURE } from './draws';
import { hashTable } from './hash-routing';
import { matrix, vector } from './lookup';
import type { ModelParameters } from './parameters';
import { placesOf, withoutRemoved } from './pruned';
import { choiceOf, expertMask, type RouterChoice, type RouterOutput, type RouterScores, routerScores } from './routing';
import { withinCapacity, zeroComputation } from './zero-computation';

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
  { draws, ids, scores: before }: FfnContext = {},
): FfnOutput {
  const { mixture, context } = architecture;
  const weights = (expert?: number): FfnWeights => ffnWeights(architecture, parameters, layer, expert);
  const { apply, routers: adapters } = blockAdapters(architecture, parameters, layer);
  if (!mixture) return { output: denseFfn(u, weights(), neuronScale(draws, layer) ?? apply), adapters };
  const remaining = remainingExperts(mixture, layer);
  const experts = remaining.map(weights);
  if (!hasFfnRouter(mixture)) {
    const { output, router } = hashedFfn(architecture, layer, u, ids!, experts);
    return { output: apply('ffn', u, output), router, adapters };
  }
  const router = matrix(parameters, routerName(layer, 'ffn'));
  const seen = mixture.router?.noise && draws ? tf.mul(u, drawn(draws, noiseName(layer))) : u;
  const residual = mixture.gatingResidual && before && linear(before, matrix(parameters, gatingResidualName(layer)));
  const all = routerScores(seen as tf.Tensor2D, router, mixture.router?.normalizeLogits, residual);
  const removed = removedExperts(mixture, layer);
  const scores = removed.length && mixture.pruned?.routing === 'masked' ? withoutRemoved(all, removed) : all;
  const perturbed = draws && samplesFfn(mixture, layer) ? sampledScores(layer, scores.logits, draws) : scores;
  const { output, ...choice } = hasSoftFfn(mixture, layer)
    ? { output: softFfn(u, scores.probabilities, experts, remaining) }
    : sparseFfn(
        { mixture, context, parameters, layer, experts, columns: remaining, trains: Boolean(draws) },
        u,
        perturbed,
      );
  const decided = {
    ...{ layer, router: 'ffn' as const, ...scores, ...choice, ...(removed.length && { removed }) },
    ...(mixture.zeroComputation && {
      zeroComputation: { ffnExperts: mixture.experts, tau: mixture.zeroComputation.tau },
    }),
  };
  return { output: apply('ffn', u, output), router: decided, adapters };
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

/** A mixture's FFN where tokens are sent to some experts. */
interface SparseFfn {
  mixture: MixtureArchitecture;
  /** Tokens of a sequence. */
  context: number;
  parameters: ModelParameters;
  layer: number;
  /** The FFN experts that there are, and their columns of the router. */
  experts: readonly FfnWeights[];
  columns: readonly number[];
  /** Only in training experts have a capacity. */
  trains: boolean;
}

/**
 * The sum of the chosen experts' outputs, each times its gate (BAM, arXiv 2408.08274, section 3), and which tokens each
 * expert was chosen for, whether it had room for them or not.
 */
function sparseFfn(
  { mixture, context, parameters, layer, experts, columns, trains }: SparseFfn,
  u: tf.Tensor2D,
  scores: RouterScores,
): { output: tf.Tensor2D } & RouterChoice {
  const [tokens] = u.shape;
  const k = mixture.ffnTopK;
  const choices = scores.logits.shape[1];
  const chosen = chosenExperts(mixture, parameters, layer, scores); // (T*k) int32
  const mask = expertMask(chosen, choices); // (T*k, columns)
  const room = trains ? capacities(mixture, context * k) : undefined;
  const kept = room ? withinCapacity(mask, context * k, room) : mask;
  const places = room || experts.length < choices ? placesOf(kept, columns) : chosen;
  const byPair = expertFfn(u, places, experts); // (T*k, E)
  const gates = chosenGates(mixture, mask, scores); // (T*k, 1)
  const overChoices = (pairs: tf.Tensor2D): tf.Tensor2D =>
    k === 1 ? pairs : tf.sum(tf.reshape(pairs, [tokens, k, pairs.shape[1]]), 1);
  const computed = overChoices(tf.mul(byPair, gates)); // (T, E)
  const others =
    mixture.zeroComputation && zeroComputation(mixture, parameters, layer, u, overChoices(tf.mul(kept, gates)));
  return { output: others ? tf.add(computed, others) : computed, ...choiceOf(mask, tokens) };
}

/** The k best experts of every token by probability, to which the balance bias is added if there is one. (T*k) int32. */
function chosenExperts(
  { ffnTopK, router }: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  { probabilities }: RouterScores,
): tf.Tensor1D {
  if (!router?.balanceBias) return topExperts(probabilities, ffnTopK);
  return topExperts(tf.add(probabilities, vector(parameters, balanceBiasName(layer))), ffnTopK);
}

/** Gates of the chosen experts, (T*k, 1): their probability, or a softmax over the chosen logits alone. */
function chosenGates(
  { ffnTopK: k, gate }: MixtureArchitecture,
  mask: tf.Tensor2D,
  { logits, probabilities }: RouterScores,
): tf.Tensor2D {
  const [tokens, experts] = logits.shape;
  const scores = gate === 'softmax-topk' ? probabilities : logits;
  // A product with a one-hot mask picks the entries and has a gradient; tfjs has none for a gather by two indices.
  const byToken = tf.reshape(mask, [tokens, k, experts]);
  const selected = tf.sum(tf.mul(tf.expandDims(scores, 1), byToken), 2) as tf.Tensor2D; // (T, k)
  return tf.reshape(gate === 'softmax-topk' ? selected : tf.softmax(selected), [tokens * k, 1]);
}
