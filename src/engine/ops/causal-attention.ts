import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

const MASKED = -1e9;

/** 0 where a query may look, a large negative number at later positions. (T, T). */
export function causalMask(context: number): tf.Tensor2D {
  const mask = new Float32Array(context * context);
  for (let query = 0; query < context; query++) mask.fill(MASKED, query * context + query + 1, (query + 1) * context);
  return tf.tensor2d(mask, [context, context]);
}

/**
 * Causal scaled dot-product attention with grouped queries.
 * `query` (B, K, G, T, D): G query heads for each of K key heads. `key`, `value` (B, K, T, D). `mask` (T, T).
 * Returns (B, K, G, T, D).
 */
export function causalAttention(
  query: tf.Tensor5D,
  key: tf.Tensor4D,
  value: tf.Tensor4D,
  mask: tf.Tensor2D,
): tf.Tensor5D {
  const [batch, keyHeads, group, context, headSize] = query.shape;
  const scale = 1 / Math.sqrt(headSize);
  // All query heads of a key head stand in one matrix, so that one product serves the group.
  const flat: [number, number, number, number] = [batch, keyHeads, group * context, headSize];
  // The scale goes into the queries: a pass over them is T/D times cheaper than one over the scores.
  const q = tf.reshape(tf.mul(query, scale), flat);
  const attended = ownGradient(
    [q, key, value],
    () => {
      const scores = tf.matMul(q, key, false, true); // (B, K, G*T, T)
      const masked = tf.add(tf.reshape(scores, [batch, keyHeads, group, context, context]), mask);
      const weights = tf.reshape(tf.softmax(masked), [batch, keyHeads, group * context, context]);
      const output = tf.matMul(weights, value); // (B, K, G*T, D)
      return { value: output, saved: [q, key, value, weights, output] };
    },
    attentionGradient,
  );
  return tf.reshape(attended, query.shape);
}

/**
 * The gradient of softmax needs sum_j(weights_j * dWeights_j) for each query. That equals sum_d(output_d * dOutput_d), which is over D
 * instead of T numbers (FlashAttention, arXiv 2205.14135, appendix B.2).
 */
function attentionGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [query, key, value, weights, output] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const dValue = tf.matMul(weights, dy, true, false);
  const dWeights = tf.matMul(dy, value, false, true);
  const dScores = tf.mul(tf.sub(dWeights, tf.sum(tf.mul(output, dy), -1, true)), weights);
  return [tf.matMul(dScores, key), tf.matMul(dScores, query, true, false), dValue];
}
