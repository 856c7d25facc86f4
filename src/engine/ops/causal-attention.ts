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
  const q = tf.reshape(query, flat);
  const attended = ownGradient(
    [q, key, value],
    () => {
      // Scaling the queries costs less than scaling the scores.
      const scaled = tf.mul(q, scale);
      const scores = tf.matMul(scaled, key, false, true); // (B, K, G*T, T)
      const masked = tf.add(tf.reshape(scores, [batch, keyHeads, group, context, context]), mask);
      const weights = tf.reshape(tf.softmax(masked), [batch, keyHeads, group * context, context]);
      const output = tf.matMul(weights, value);
      return { value: output, saved: [scaled, key, value, weights, output] };
    },
    (dy, saved) => attentionGradient(dy, saved, scale),
  );
  return tf.reshape(attended, query.shape);
}

function attentionGradient(dy: tf.Tensor, saved: tf.Tensor[], scale: number): tf.Tensor[] {
  const [scaled, key, value, weights, output] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
  const dWeights = tf.matMul(dy, value, false, true);
  // The softmax's sum over keys of dWeights * weights is dy . output: a sum over D numbers instead of T.
  const dScores = tf.mul(weights, tf.sub(dWeights, tf.sum(tf.mul(dy, output), -1, true)));
  const dQuery = tf.mul(tf.matMul(dScores, key), scale);
  return [dQuery, tf.matMul(dScores, scaled, true, false), tf.matMul(weights, dy, true, false)];
}
