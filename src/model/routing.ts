import * as tf from '@tensorflow/tfjs';
import type { MixtureArchitecture } from '../architecture/architecture';
import type { RouterKind } from '../base/router-words';
import { layerNorm } from '../engine/ops/layer-norm';
import { linear } from '../engine/ops/linear';
import { topExperts } from '../engine/ops/top-experts';
import { remainingBalanceLoss } from './pruned';

/** What a router decided for a batch, and what its losses and statistics are made from. */
export interface RouterOutput {
  layer: number;
  router: RouterKind;
  /** What the softmax is taken of, (tokens, experts). Hash routing has none. */
  logits?: tf.Tensor2D;
  /** Softmax over all experts, (tokens, experts). With hash routing 1 for the chosen one. */
  probabilities: tf.Tensor2D;
  /** Of a router that chooses: how many tokens each expert got, (experts) float32. Without gradient. Soft ones have none. */
  assigned?: tf.Tensor1D;
  /** Of a router that chooses: 1 where the token was sent to the expert, (tokens, experts) float32. Without gradient. */
  chosen?: tf.Tensor2D;
  /** Experts that were removed, if any; they keep their places in what stands above. */
  removed?: readonly number[];
  /** Where some experts are zero-computation experts: how many, from the first, are not, and the weight of those that are in balancing. */
  zeroComputation?: { ffnExperts: number; tau: number };
}

/** What a router that chooses gives beside its scores. */
export type RouterChoice = Required<Pick<RouterOutput, 'assigned' | 'chosen'>>;

/** What a router says of every token. */
export interface RouterScores {
  /** (tokens, experts) */
  logits: tf.Tensor2D;
  /** Softmax of the logits, (tokens, experts). */
  probabilities: tf.Tensor2D;
}

/** Added to the variance of a token's logits before they are divided by its root: equal logits then stay equal. */
const LOGIT_EPSILON = 1e-6;

/**
 * Scores every token against every expert, in float32. `u` (tokens, E), `weight` (experts, E). With `deviation` the logits of
 * a token are brought to mean 0 and to that standard deviation over the experts (Skywork-MoE, arXiv 2406.06563, section 4.1).
 * `residual` (tokens, experts) is added to the logits.
 */
export function routerScores(
  u: tf.Tensor2D,
  weight: tf.Tensor2D,
  deviation?: number,
  residual?: tf.Tensor2D,
): RouterScores {
  const own = linear(u, weight);
  const scores: tf.Tensor2D = residual ? tf.add(own, residual) : own;
  const logits = deviation ? layerNorm(scores, tf.fill([weight.shape[0]], deviation), LOGIT_EPSILON) : scores;
  return { logits, probabilities: tf.softmax(logits) };
}

/**
 * The probabilities of each token's k best experts, 0 for the others; with `topk-softmax` they are made to sum to 1. Gives them,
 * (tokens, experts), and what was chosen, as `RouterOutput` has it.
 */
export function keepTop(
  probabilities: tf.Tensor2D,
  k: number,
  gate: MixtureArchitecture['gate'],
): { gates: tf.Tensor2D } & RouterChoice {
  const [tokens, experts] = probabilities.shape;
  const choice = choiceOf(expertMask(topExperts(probabilities, k), experts), tokens);
  const kept: tf.Tensor2D = tf.mul(probabilities, choice.chosen);
  const gates: tf.Tensor2D = gate === 'softmax-topk' ? kept : tf.div(kept, tf.sum(kept, 1, true));
  return { gates, ...choice };
}

/** What a router chose, from the mask of its choices, (tokens*k, experts). */
export function choiceOf(mask: tf.Tensor2D, tokens: number): RouterChoice {
  const [choices, experts] = mask.shape;
  const chosen: tf.Tensor2D = choices === tokens ? mask : tf.sum(tf.reshape(mask, [tokens, -1, experts]), 1);
  return { chosen, assigned: tf.sum(mask, 0) };
}

/** 1 where a row's expert is, else 0. `chosen` (K) int32 -> (K, experts). */
export function expertMask(chosen: tf.Tensor1D, experts: number): tf.Tensor2D {
  // wasm's own float32 form of this is broken.
  return tf.cast(tf.oneHot(chosen, experts), 'float32') as tf.Tensor2D;
}

/**
 * Load balancing loss of one router that chooses (Switch Transformer, arXiv 2101.03961, eq. 4): experts x sum_i f_i P_i, with f_i the
 * share of assignments that went to expert i (no gradient) and P_i its mean probability. 1 when uniform; for top-1,
 * `experts` when one expert takes all. Of a pruned mixture it is that of the remaining experts. With zero-computation experts the terms of
 * those are weighed by tau (MoE++, arXiv 2410.07348, section 3.3).
 */
export function loadBalanceLoss(output: RouterOutput): tf.Scalar {
  const { assigned, probabilities, removed, zeroComputation } = output;
  const experts = probabilities.shape[1];
  const weights = zeroComputation && balanceWeights(zeroComputation, experts);
  if (removed) return remainingBalanceLoss(assigned!, probabilities, removed, weights);
  const shares = tf.div(assigned!, tf.sum(assigned!)); // (experts)
  const terms = tf.mul(shares, tf.mean(probabilities, 0));
  return tf.mul(tf.sum(weights ? tf.mul(terms, weights) : terms), experts) as tf.Scalar;
}

/** 1 for FFN experts, tau for others, (experts). */
function balanceWeights(
  { ffnExperts, tau }: NonNullable<RouterOutput['zeroComputation']>,
  experts: number,
): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from({ length: experts }, (_, expert) => (expert < ffnExperts ? 1 : tau)));
}

/** Router z-loss (ST-MoE, arXiv 2202.08906, eq. 5): the mean over tokens of logsumexp(logits) squared. */
export function routerZLoss(output: RouterOutput): tf.Scalar {
  return tf.mean(tf.square(tf.logSumExp(output.logits!, -1))) as tf.Scalar;
}
