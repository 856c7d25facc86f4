import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

/** silu(gate) * up, the activation of a SwiGLU FFN (arXiv 2002.05202). Both (K, F) -> (K, F). */
export function swiglu(gate: tf.Tensor2D, up: tf.Tensor2D): tf.Tensor2D {
  return ownGradient(
    [gate, up],
    () => {
      const sigmoid = tf.sigmoid(gate);
      const silu = tf.mul(gate, sigmoid);
      return { value: tf.mul(silu, up) as tf.Tensor2D, saved: [up, sigmoid, silu] };
    },
    swigluGradient,
  );
}

function swigluGradient(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] {
  const [up, sigmoid, silu] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
  // d silu / d gate = sigmoid + silu * (1 - sigmoid)
  const slope = tf.add(sigmoid, tf.sub(silu, tf.mul(silu, sigmoid)));
  return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
}
