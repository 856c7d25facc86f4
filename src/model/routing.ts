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
  /** FFN routers only: how many tokens each expert got, (experts). */
  assigned?: Int32Array;
}

/** Scores every token against every expert, in float32. `u` (tokens, E), `weight` (experts, E) -> both (tokens, experts). */
export function routerScores(u: tf.Tensor2D, weight: tf.Tensor2D): { logits: tf.Tensor2D; probabilities: tf.Tensor2D } {
  const logits = linear(u, weight);
  return { logits, probabilities: tf.softmax(logits) };
}

/**
 * The k best experts of every token, best first; ties go to the lower index. `scores` (tokens x experts) on the host.
 * Returns (tokens x k). A score that is not a number never wins, so the result always names real experts.
 */
export function topExperts(scores: Float32Array, experts: number, k: number): Int32Array {
  const tokens = scores.length / experts;
  const chosen = new Int32Array(tokens * k).fill(-1);
  for (let token = 0; token < tokens; token++) {
    const row = chosen.subarray(token * k, (token + 1) * k);
    for (let rank = 0; rank < k; rank++) {
      let best = -1;
      for (let expert = 0; expert < experts; expert++) {
        if (row.includes(expert)) continue;
        if (best < 0 || beats(scores[token * experts + expert]!, scores[token * experts + best]!)) best = expert;
      }
      row[rank] = best;
    }
  }
  return chosen;
}

function beats(score: number, other: number): boolean {
  return score > other || (Number.isNaN(other) && !Number.isNaN(score));
}

/** How the chosen (token, expert) pairs are laid out so that every expert's rows stand together. */
export interface Dispatch {
  /** For each row in expert order, its place in (token, rank) order. A permutation of tokens x k. */
  order: Int32Array;
  /** The reverse permutation. */
  inverse: Int32Array;
  /** Rows of each expert. */
  assigned: Int32Array;
}

/** Sorts the chosen pairs by expert (stable, so a token keeps its order within an expert). `chosen` (tokens x k). */
export function dispatchByExpert(chosen: Int32Array, experts: number): Dispatch {
  const assigned = new Int32Array(experts);
  for (const expert of chosen) assigned[expert]!++;
  const next = new Int32Array(experts);
  for (let expert = 1; expert < experts; expert++) next[expert] = next[expert - 1]! + assigned[expert - 1]!;
  const order = new Int32Array(chosen.length);
  const inverse = new Int32Array(chosen.length);
  chosen.forEach((expert, pair) => {
    const row = next[expert]!++;
    order[row] = pair;
    inverse[pair] = row;
  });
  return { order, inverse, assigned };
}

/**
 * Load balancing loss of one FFN router (Switch Transformer, arXiv 2101.03961, eq. 4): experts x sum_i f_i P_i, with f_i the
 * share of assignments that went to expert i (no gradient) and P_i its mean probability. 1 when uniform; for top-1,
 * `experts` when one expert takes all.
 */
export function loadBalanceLoss(output: RouterOutput): tf.Scalar {
  const assigned = output.assigned!;
  const total = assigned.reduce((sum, tokens) => sum + tokens, 0);
  const share = tf.tensor1d(Float32Array.from(assigned, (tokens) => tokens / total));
  return tf.mul(tf.sum(tf.mul(share, tf.mean(output.probabilities, 0))), assigned.length) as tf.Scalar;
}

/** Router z-loss (ST-MoE, arXiv 2202.08906, eq. 5): the mean over tokens of logsumexp(logits) squared. */
export function routerZLoss(output: RouterOutput): tf.Scalar {
  return tf.mean(tf.square(tf.logSumExp(output.logits, -1))) as tf.Scalar;
}
