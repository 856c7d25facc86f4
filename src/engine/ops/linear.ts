import * as tf from '@tensorflow/tfjs';

/** x W^T, as a PyTorch Linear without bias. `x` (K, inputs), `weight` (outputs, inputs) -> (K, outputs). */
export function linear(x: tf.Tensor2D, weight: tf.Tensor2D): tf.Tensor2D {
  return tf.matMul(x, weight, false, true);
}
