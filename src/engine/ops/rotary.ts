import * as tf from '@tensorflow/tfjs';
import { ownGradient } from './own-gradient';

/** Cosines and signed sines of the rotary angles, each (T, 1, D): see `rotaryTable`. */
export interface RotaryTable {
  cosine: tf.Tensor3D;
  sine: tf.Tensor3D;
}

/**
 * The angles of rotary position embedding (arXiv 2104.09864) in the half-split layout: position t turns the pair
 * (i, i + D/2) by t * base^(-2i/D). `headSize` D is even.
 */
export function rotaryTable(context: number, headSize: number, base: number): RotaryTable {
  const half = headSize / 2;
  const cosine = new Float32Array(context * headSize);
  const sine = new Float32Array(context * headSize);
  for (let position = 0; position < context; position++) {
    for (let i = 0; i < headSize; i++) {
      const angle = position * base ** ((-2 * (i % half)) / headSize);
      cosine[position * headSize + i] = Math.cos(angle);
      sine[position * headSize + i] = Math.sin(angle);
    }
  }
  const shape: [number, number, number] = [context, 1, headSize];
  return { cosine: tf.tensor3d(cosine, shape), sine: tf.tensor3d(sine, shape) };
}

/** Turns query or key heads by their position. `x` (B, T, H, D) -> (B, T, H, D). The gradient turns back. */
export function rotate(x: tf.Tensor4D, table: RotaryTable): tf.Tensor4D {
  return ownGradient(
    [x],
    () => ({ value: turn(x, table, -1), saved: [table.cosine, table.sine] }),
    (dy, [cosine, sine]) => [turn(dy as tf.Tensor4D, { cosine, sine } as RotaryTable, 1)],
  );
}

function turn(x: tf.Tensor4D, { cosine, sine }: RotaryTable, sign: 1 | -1): tf.Tensor4D {
  return tf.add(tf.mul(x, cosine), tf.mul(swapHalves(x, sign), sine));
}

/** (x1, x2) -> (sign * x2, -sign * x1): a quarter turn of every pair. */
function swapHalves(x: tf.Tensor4D, sign: 1 | -1): tf.Tensor4D {
  const [first, second] = tf.split(x, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
  return sign === -1 ? tf.concat([tf.neg(second), first], 3) : tf.concat([second, tf.neg(first)], 3);
}
