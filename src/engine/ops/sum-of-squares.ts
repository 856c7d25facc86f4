import * as tf from '@tensorflow/tfjs';
import { nativeBackend, typeAttribute } from './native';

/** The sum of the squares of all numbers in some tensors. Without gradient. */
export function sumOfSquares(tensors: readonly tf.Tensor[]): tf.Scalar {
  const backend = nativeBackend();
  if (!backend) return tf.addN(tensors.map((tensor) => tf.sum(tf.square(tensor)))) as tf.Scalar;
  // Half the sum, in one pass and a fifth of the time of square and sum.
  const attributes = [typeAttribute(backend, 'T', 'float32')];
  const halves = tensors.map((tensor) => backend.executeSingleOutput('L2Loss', attributes, [tensor]));
  return tf.mul(tf.addN(halves), 2) as tf.Scalar;
}
