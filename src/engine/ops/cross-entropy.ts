import * as tf from '@tensorflow/tfjs';
import { nativeBackend, typeAttribute } from './native';
import { ownGradient } from './own-gradient';

/**
 * Negative log-likelihood of every target, in nats. `logits` (K, V), `targets` (K) int32, each in 0..V-1 (checked by the
 * caller) -> (K). Targets have no gradient.
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D): tf.Tensor1D {
  return ownGradient(
    [logits],
    () => {
      const { loss, slope } = lossAndSlope(logits, targets);
      return { value: loss, saved: [slope] };
    },
    (dy, [slope]) => [tf.mul(slope!, tf.expandDims(dy, 1))],
  );
}

/** The losses (K) and their derivatives by the logits, softmax - one-hot, (K, V). */
function lossAndSlope(logits: tf.Tensor2D, targets: tf.Tensor1D): { loss: tf.Tensor1D; slope: tf.Tensor2D } {
  const backend = nativeBackend();
  if (backend) {
    const attributes = [typeAttribute(backend, 'T', 'float32'), typeAttribute(backend, 'Tlabels', 'int32')];
    const outputs = backend.executeMultipleOutputs(
      'SparseSoftmaxCrossEntropyWithLogits',
      attributes,
      [logits, targets],
      2,
    );
    return { loss: outputs[0] as tf.Tensor1D, slope: outputs[1] as tf.Tensor2D };
  }
  const logProbabilities = tf.logSoftmax(logits);
  const oneHot = tf.oneHot(targets, logits.shape[1]) as tf.Tensor2D;
  return {
    loss: tf.neg(tf.sum(tf.mul(oneHot, logProbabilities), -1)),
    slope: tf.sub(tf.exp(logProbabilities), oneHot),
  };
}
