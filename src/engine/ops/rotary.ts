import * as tf from '@tensorflow/tfjs';
import { nativeBackend, typeAttribute } from './native';
import { ownGradient } from './own-gradient';

/** Cosines and sines of the rotary angles, each (T, D/2): see `rotaryTable`. */
export interface RotaryTable {
  cosine: tf.Tensor2D;
  sine: tf.Tensor2D;
}

/**
 * The angles of rotary position embedding (arXiv 2104.09864) in the half-split layout: position t turns the pair
 * (i, i + D/2) by t * base^(-2i/D). `headSize` D is even. Of fewer `turned` dimensions R, the pairs with i < R/2 turn by
 * t * base^(-2i/R), and the others not at all.
 */
export function rotaryTable(context: number, headSize: number, base: number, turned = headSize): RotaryTable {
  const half = headSize / 2;
  const angles = Float64Array.from({ length: context * half }, (_, i) => {
    const [position, pair] = [Math.floor(i / half), i % half];
    return pair < turned / 2 ? position * base ** ((-2 * pair) / turned) : 0;
  });
  const table = (of: (angle: number) => number): tf.Tensor2D =>
    tf.tensor2d(Float32Array.from(angles, of), [context, half]);
  return { cosine: table(Math.cos), sine: table(Math.sin) };
}

/**
 * The rows of a projection that makes queries or keys, in the order that `rotate` wants the dimensions of a head in. Scores stay as they
 * are, since queries and keys change in the same way. `rows` (heads * D, ...), in the half-split layout.
 *
 * Native TensorFlow turns pairs as complex numbers, in one pass over queries and keys: the two numbers of a pair have to stand side by
 * side then. To reorder the weights costs less than to reorder what they make.
 */
export function rotaryRows<T extends tf.Tensor>(rows: T, headSize: number): T {
  if (!nativeBackend()) return rows;
  const [count] = rows.shape as [number];
  const pairs = tf.reshape(rows, [count / headSize, 2, headSize / 2, rows.size / count]);
  return tf.reshape(tf.transpose(pairs, [0, 2, 1, 3]), rows.shape) as T;
}

/** Turns query or key heads by their position, and multiplies them by `scale`. `x` (..., T, D), of rows as `rotaryRows` has them. */
export function rotate<T extends tf.Tensor>(x: T, { cosine, sine }: RotaryTable, scale = 1): T {
  const turn = nativeBackend() ? turnPairs : turnHalves;
  return ownGradient(
    [x],
    () => {
      const scaled = (table: tf.Tensor2D): tf.Tensor2D => (scale === 1 ? table : tf.mul(table, scale));
      const table: [tf.Tensor2D, tf.Tensor2D] = [scaled(cosine), scaled(sine)];
      return { value: turn(x, ...table), saved: table };
    },
    (dy, [re, im]) => [turn(dy, re as tf.Tensor2D, tf.neg(im as tf.Tensor2D))],
  );
}

/** Pairs that stand side by side: a product of complex numbers. */
function turnPairs<T extends tf.Tensor>(x: T, cosine: tf.Tensor2D, sine: tf.Tensor2D): T {
  const [context, half] = cosine.shape;
  const pairs = tf.reshape(x, [x.size / (2 * context * half), context, half, 2]);
  const turned = tf.mul(bitcast(pairs, 'complex64'), tf.complex(cosine, sine));
  return tf.reshape(bitcast(turned, 'float32'), x.shape) as T;
}

/** Reads pairs of numbers, the last axis, as complex numbers, or the reverse. Costs nothing. */
function bitcast(x: tf.Tensor, type: 'float32' | 'complex64'): tf.Tensor {
  const backend = nativeBackend()!;
  const attributes = [typeAttribute(backend, 'T', x.dtype as typeof type), typeAttribute(backend, 'type', type)];
  return backend.executeSingleOutput('Bitcast', attributes, [x]);
}

/** Pairs of which one number stands in the first half of a head and the other in the second. */
function turnHalves<T extends tf.Tensor>(x: T, cosine: tf.Tensor2D, sine: tf.Tensor2D): T {
  const [context, half] = cosine.shape;
  const heads = tf.reshape(x, [x.size / (2 * context * half), context, 2 * half]);
  const [first, second] = tf.split(heads, 2, 2) as [tf.Tensor, tf.Tensor];
  const turned = [
    tf.sub(tf.mul(first, cosine), tf.mul(second, sine)),
    tf.add(tf.mul(first, sine), tf.mul(second, cosine)),
  ];
  return tf.reshape(tf.concat(turned, 2), x.shape) as T;
}
