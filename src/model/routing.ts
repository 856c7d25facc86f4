import * as tf from '@tensorflow/tfjs';
import { linear } from '../engine/ops/linear';

/** What a router decided for a batch, and what its losses and statistics are made from. */
export interface RouterOutput {
  layer: number;
  router: 'ffn' | 'attention';
  /** Scores before the softmax, (tokens, experts). */
  logits: tf.Tensor2D;
  /** Softmax over all experts, (tokens, experts). */
  probabilities: tf.Tensor2D;
  /** FFN routers only: how many tokens each expert got, (experts) float32. Without gradient. */
  assigned?: tf.Tensor1D;
  /** FFN routers only: 1 where the token was sent to the expert, (tokens, experts) float32. Without gradient. */
  chosen?: tf.Tensor2D;
}

/** Scores every token against every expert, in float32. `u` (tokens, E), `weight` (experts, E) -> both (tokens, experts). */
export function routerScores(u: tf.Tensor2D, weight: tf.Tensor2D): { logits: tf.Tensor2D; probabilities: tf.Tensor2D } {
  const logits = linear(u, weight);
  return { logits, probabilities: tf.softmax(logits) };
}

/**
 * Load balancing loss of one FFN router (Switch Transformer, arXiv 2101.03961, eq. 4): experts x sum_i f_i P_i, with f_i the
 * share of assignments that went to expert i (no gradient) and P_i its mean probability. 1 when uniform; for top-1,
 * `experts` when one expert takes all.
 */
export function loadBalanceLoss(output: RouterOutput): tf.Scalar {
  const { assigned, probabilities } = output;
  const shares = tf.div(assigned!, tf.sum(assigned!)); // (experts)
  return tf.mul(tf.sum(tf.mul(shares, tf.mean(probabilities, 0))), probabilities.shape[1]) as tf.Scalar;
}

/** Router z-loss (ST-MoE, arXiv 2202.08906, eq. 5): the mean over tokens of logsumexp(logits) squared. */
export function routerZLoss(output: RouterOutput): tf.Scalar {
  return tf.mean(tf.square(tf.logSumExp(output.logits, -1))) as tf.Scalar;
}
