import * as tf from '@tensorflow/tfjs';
import { nativeBackend } from './native';
import { ownGradient } from './own-gradient';

/** x W^T, as a PyTorch Linear without bias. `x` (K, inputs), `weight` (outputs, inputs) -> (K, outputs). */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  return ownGradient(
    [x, weight],
    () => ({ value: tf.matMul(x, weight, false, true) as tf.Tensor2D, saved: [x, weight] }),
    (dy, saved) => {
      const [input, matrix] = saved as [tf.Tensor2D, tf.Tensor2D];
      return [tf.matMul(dy as tf.Tensor2D, matrix), weightGradient(dy as tf.Tensor2D, input)];
    },
  );
}

/** Columns that are put beside a matrix whose rows lie badly in memory. */
const PADDING = 16;

/**
 * dy^T x, the gradient of `linear` by its weight. `dy` (K, outputs), `x` (K, inputs) -> (outputs, inputs).
 *
 * oneDNN reads the transposed matrix down its columns. Where its rows are a multiple of 4 KB apart, those numbers share a few lines
 * of the cache, and the product takes up to twice its time; a copy with a few columns more costs much less.
 */
export function weightGradient(dy: tf.Tensor2D, x: tf.Tensor2D): tf.Tensor2D {
  const [outputs, inputs] = [dy.shape[1], x.shape[1]];
  if (nativeBackend() && liesBadly(outputs, inputs)) {
    return tf.slice2d(tf.matMul(padded(dy), x, true), [0, 0], [outputs, inputs]);
  }
  if (nativeBackend() && liesBadly(inputs, outputs)) {
    return tf.slice2d(tf.matMul(dy, padded(x), true), [0, 0], [outputs, inputs]);
  }
  return tf.matMul(dy, x, true);
}

/** As measured: wide rows of whole pages against narrow ones. A wide other side hides the cost, since it takes other blocks. */
function liesBadly(wide: number, narrow: number): boolean {
  return wide >= 1024 && wide % 1024 === 0 && narrow <= 256;
}

function padded(x: tf.Tensor2D): tf.Tensor2D {
  return tf.concat([x, tf.zeros<tf.Rank.R2>([x.shape[0], PADDING])], 1);
}
