import * as tf from '@tensorflow/tfjs';
import { crossEntropy } from './cross-entropy';
import { linear, weightGradient } from './linear';
import { nativeBackend } from './native';
import { ownGradient } from './own-gradient';
import { sumRows, takeRows } from './rows';

/**
 * Mean negative log-likelihood in nats of the targets under softmax(x W^T), or with `weights` (K) the sum of weight times that of each.
 * `x` (K, E), `head` (V, E), `targets` (K) int32, each in 0..V-1 (checked by the caller) -> scalar. Targets and weights have no gradient.
 *
 * The gradient by the logits is (softmax - one-hot) / K, or times the weight of its row. It is never written down: its two parts go through the products with `head`
 * and `x` on their own, the one-hot part as a choice of rows. That spares passes over (K, V) numbers, the largest tensor of all.
 */
export function headLoss(x: tf.Tensor2D, head: tf.Tensor2D, targets: tf.Tensor1D, weights?: tf.Tensor1D): tf.Scalar {
  const reduce = (losses: tf.Tensor1D): tf.Scalar => (weights ? tf.sum(tf.mul(losses, weights)) : tf.mean(losses));
  if (!nativeBackend()) return reduce(crossEntropy(linear(x, head), targets));
  return ownGradient(
    [x, head],
    () => {
      const logits = tf.matMul(x, head, false, true); // (K, V)
      const probabilities = tf.softmax(logits); // (K, V)
      // The largest probability is exp(0) / sum(exp(logits - largest)), so it gives the logarithm of the sum.
      const logSum = tf.sub(tf.max(logits, 1), tf.log(tf.max(probabilities, 1))); // (K)
      const own = tf.sum(tf.mul(x, takeRows(head, targets)), 1); // (K), the logit of the target
      const value = reduce(tf.sub(logSum, own));
      return { value, saved: [probabilities, x, head, targets, ...(weights ? [weights] : [])] };
    },
    weights ? weightedGradient : headLossGradient,
  );
}

function headLossGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [probabilities, x, head] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const targets = saved[3] as tf.Tensor1D;
  const scale = tf.div(dy, x.shape[0]);
  const dx = tf.sub(tf.matMul(probabilities, head), takeRows(head, targets));
  const dHead = tf.sub(weightGradient(probabilities, x), sumRows(x, targets, head.shape[0]));
  return [tf.mul(dx, scale), tf.mul(dHead, scale)];
}

function weightedGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [probabilities, x, head] = saved as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const targets = saved[3] as tf.Tensor1D;
  const scale = tf.expandDims(tf.mul(saved[4]!, dy), 1); // (K, 1)
  const dx = tf.sub(tf.matMul(probabilities, head), takeRows(head, targets));
  const scaled: tf.Tensor2D = tf.mul(x, scale); // (K, E)
  const dHead = tf.sub(weightGradient(probabilities, scaled), sumRows(scaled, targets, head.shape[0]));
  return [tf.mul(dx, scale), dHead];
}
