import * as tf from '@tensorflow/tfjs';
import type { RouterScores } from './routing';

/** Added to the logits of removed experts: no softmax gives them anything, and no loss overflows. */
const NEVER = -1e9;

/** 1 for the columns that remain, 0 for the removed, (columns). */
function remainingColumns(columns: number, removed: readonly number[]): tf.Tensor1D {
  return tf.tensor1d(Float32Array.from({ length: columns }, (_, column) => (removed.includes(column) ? 0 : 1)));
}

/** A router's scores where removed experts have no part: they are never chosen and have no probability. */
export function withoutRemoved({ logits }: RouterScores, removed: readonly number[]): RouterScores {
  const remaining = remainingColumns(logits.shape[1], removed);
  const masked: tf.Tensor2D = tf.add(logits, tf.mul(tf.sub(1, remaining), NEVER));
  return { logits: masked, probabilities: tf.softmax(masked) };
}

/** Logits of a router, 0 for removed experts, for routers that read them, (tokens, columns). */
export function remainingLogits(logits: tf.Tensor2D, removed: readonly number[]): tf.Tensor2D {
  return tf.mul(logits, remainingColumns(logits.shape[1], removed));
}

/**
 * Where each chosen expert stands among those that remain. `mask` (K, columns) has 1 where a row's expert is, `remaining` are the columns
 * with an FFN expert -> (K) int32; `remaining.length` for others, and in rows without a choice: nobody computes those.
 */
export function placesOf(mask: tf.Tensor2D, remaining: readonly number[]): tf.Tensor1D {
  const places = Float32Array.from({ length: mask.shape[1] }, (_, column) => {
    const place = remaining.indexOf(column);
    return place < 0 ? 0 : place - remaining.length;
  });
  // A sum with a single term, of whole numbers: exact.
  return tf.cast(tf.add(tf.sum(tf.mul(mask, tf.tensor1d(places)), 1), remaining.length), 'int32');
}

/**
 * The load balancing loss of a router some of whose experts were removed: that of the m remaining ones, m sum_i f_i P_i over these, with
 * shares of what was sent to them and of the probability that they have together. So nothing draws tokens to removed experts, or from
 * them. `assigned` (columns), `probabilities` (tokens, columns); `weights` (columns) are those of the terms, where they differ.
 */
export function remainingBalanceLoss(
  assigned: tf.Tensor1D,
  probabilities: tf.Tensor2D,
  removed: readonly number[],
  weights?: tf.Tensor1D,
): tf.Scalar {
  const remaining = remainingColumns(assigned.shape[0], removed);
  const sent = tf.mul(assigned, remaining);
  const shares = tf.div(sent, tf.maximum(tf.sum(sent), 1));
  const means = tf.mul(tf.mean(probabilities, 0), remaining);
  const count = assigned.shape[0] - removed.length;
  const terms = tf.mul(shares, means);
  const sum = tf.sum(weights ? tf.mul(terms, weights) : terms);
  return tf.mul(tf.div(sum, tf.sum(means)), count) as tf.Scalar;
}
