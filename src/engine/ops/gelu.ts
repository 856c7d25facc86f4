import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

/** x * Phi(x) with the normal distribution Phi by the exact error function (GELU, arXiv 1606.08415). Any shape. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return ownGradient(
    [x],
    () => {
      const phi = normalDistribution(x);
      return { value: tf.mul(x, phi) as T, saved: [x, phi] };
    },
    (dy, [input, phi]) => [tf.mul(dy, geluSlope(input!, phi!))],
  );
}

/** Phi(x) = (1 + erf(x / sqrt 2)) / 2. */
export function normalDistribution(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}

/** The derivative of GELU, Phi(x) + x * density(x), where `phi` is Phi(x). */
export function geluSlope(x: tf.Tensor, phi: tf.Tensor): tf.Tensor {
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.add(phi, tf.mul(x, density));
}
