import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

/**
 * Scale-only LayerNorm over the last axis: (x - mean) / sqrt(variance + epsilon) * scale. `x` (K, E), `scale` (E) -> (K, E).
 * BAM's blocks have a scale and no bias (derived from the parameter counts of arXiv 2408.08274, Table 9).
 */
export function layerNorm(x: tf.Tensor2D, scale: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  return ownGradient(
    [x, scale],
    () => {
      const centered = tf.sub(x, tf.mean(x, -1, true)); // (K, E)
      const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), epsilon)); // (K, 1)
      const normalized = tf.mul(centered, inverseDeviation) as tf.Tensor2D; // (K, E)
      return { value: tf.mul(normalized, scale) as tf.Tensor2D, saved: [normalized, inverseDeviation, scale] };
    },
    layerNormGradient,
  );
}

/** RMSNorm over the last axis (arXiv 1910.07467): x / sqrt(mean of squares + epsilon) * scale. `x` (K, E), `scale` (E) -> (K, E). */
export function rmsNorm(x: tf.Tensor2D, scale: tf.Tensor1D, epsilon: number): tf.Tensor2D {
  return ownGradient(
    [x, scale],
    () => {
      const inverseRoot = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon)); // (K, 1)
      const normalized = tf.mul(x, inverseRoot) as tf.Tensor2D; // (K, E)
      return { value: tf.mul(normalized, scale) as tf.Tensor2D, saved: [normalized, inverseRoot, scale] };
    },
    (dy, saved) => {
      const [normalized, inverseRoot, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const scaled = tf.mul(dy, weight);
      const alongInput = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), -1, true));
      return [tf.mul(inverseRoot, tf.sub(scaled, alongInput)), tf.sum(tf.mul(dy, normalized), 0)];
    },
  );
}

function layerNormGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [normalized, inverseDeviation, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  const scaled = tf.mul(dy, weight);
  const alongInput = tf.mul(normalized, tf.mean(tf.mul(scaled, normalized), -1, true));
  const dx = tf.mul(inverseDeviation, tf.sub(tf.sub(scaled, tf.mean(scaled, -1, true)), alongInput));
  return [dx, tf.sum(tf.mul(dy, normalized), 0)];
}
