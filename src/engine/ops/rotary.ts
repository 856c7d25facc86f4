import * as tf from '@tensorflow/tfjs';
import { nativeBackend } from './native';
import { ownGradient } from './own-gradient';

/** Cosines and signed sines (minus in the first half) of the rotary angles, each (T, 1, D): see `rotaryTable`. */
export interface RotaryTable {
  cosine: tf.Tensor3D;
  sine: tf.Tensor3D;
}

/**
 * The angles of rotary position embedding (arXiv 2104.09864) in the half-split layout: position t turns the pair
 * (i, i + D/2) by t * base^(-2i/D). `headSize` D is even. Of fewer `turned` dimensions R, the pairs with i < R/2 turn by
 * t * base^(-2i/R), and the others not at all.
 */
export function rotaryTable(context: number, headSize: number, base: number, turned = headSize): RotaryTable {
  const half = headSize / 2;
  const cosine = new Float32Array(context * headSize);
  const sine = new Float32Array(context * headSize);
  for (let position = 0; position < context; position++) {
    for (let i = 0; i < headSize; i++) {
      const pair = i % half;
      const angle = pair < turned / 2 ? position * base ** ((-2 * pair) / turned) : 0;
      cosine[position * headSize + i] = Math.cos(angle);
      sine[position * headSize + i] = i < half ? -Math.sin(angle) : Math.sin(angle);
    }
  }
  const shape: [number, number, number] = [context, 1, headSize];
  return { cosine: tf.tensor3d(cosine, shape), sine: tf.tensor3d(sine, shape) };
}

/** Turns query or key heads by their position. `x` (B, T, H, D) -> (B, T, H, D). The gradient turns back. */
export function rotate(x: tf.Tensor4D, table: RotaryTable): tf.Tensor4D {
  return ownGradient(
    [x],
    () => {
      const value = tf.add(tf.mul(x, table.cosine), tf.mul(swapHalves(x), table.sine)) as tf.Tensor4D;
      return { value, saved: [table.cosine, table.sine] };
    },
    (dy, [cosine, sine]) => [tf.sub(tf.mul(dy, cosine!), tf.mul(swapHalves(dy as tf.Tensor4D), sine!))],
  );
}

/** (x1, x2) -> (x2, x1) in every head. */
function swapHalves(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, context, heads, size] = x.shape;
  if (nativeBackend()) {
    // A quarter of the time of the form below; on wasm it is the other way round.
    const halves = tf.reshape(x, [batch * context, heads, 2, size / 2]);
    return tf.reshape(tf.reverse(halves, 2), x.shape);
  }
  const [first, second] = tf.split(x, 2, 3) as [tf.Tensor4D, tf.Tensor4D];
  return tf.concat([second, first], 3);
}
