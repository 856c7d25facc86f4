import * as tf from '@tensorflow/tfjs';
import { type Architecture, remainingExperts } from '../architecture/architecture';
import { denseFfn } from '../engine/ops/ffn-forms';
import { ffnWeights } from '../model/ffn';
import type { ModelParameters } from '../model/parameters';

/**
 * Linear CKA of every two of some matrices with equal rows (n, d) each, columns centred: ||Y^T X||^2 / (||X^T X|| ||Y^T Y||) in Frobenius
 * norms (arXiv 1905.00414, section 3). 1 for matrices that differ by rotation and scale, and 0 where one does not vary at all. -> [i][j]
 */
export function linearCka(matrices: readonly tf.Tensor2D[]): number[][] {
  return tf.tidy(() => {
    const centred = matrices.map((x): tf.Tensor2D => tf.sub(x, tf.mean(x, 0, true)));
    // Without this, squares of squares leave what float32 can hold.
    const scaled = centred.map((x): tf.Tensor2D => tf.div(x, tf.maximum(tf.norm(x), 1e-20)));
    const product = (i: number, j: number): number =>
      tf.tidy(() => tf.sum(tf.square(tf.matMul(scaled[i]!, scaled[j]!, true))).dataSync<'float32'>()[0]!);
    const own = scaled.map((_, i) => Math.sqrt(product(i, i)));
    const cka = own.map((_, i) => own.map((__, j) => (j < i ? product(i, j) / Math.max(own[i]! * own[j]!, 1e-20) : 0)));
    return own.map((_, i) => own.map((__, j) => (i === j ? 1 : cka[Math.max(i, j)]![Math.min(i, j)]!)));
  });
}

/** What each of a layer's experts makes of all tokens, (T, E). `u` (T, E) is what the layer's experts read. */
export function expertOutputs(
  architecture: Architecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
): tf.Tensor2D[] {
  const experts = remainingExperts(architecture.mixture!, layer);
  return experts.map((expert) => denseFfn(u, ffnWeights(architecture, parameters, layer, expert)));
}

/**
 * The weights of each of a layer's experts with a row for every row of gate and up and every column of down. Two experts are compared
 * unit by unit, so this says something only of experts that come from one FFN or share its order of units.
 */
export function expertMatrices(architecture: Architecture, parameters: ModelParameters, layer: number): tf.Tensor2D[] {
  const experts = remainingExperts(architecture.mixture!, layer);
  return experts.map((expert) => {
    const weights = ffnWeights(architecture, parameters, layer, expert);
    const rows = 'gate' in weights ? [weights.gate, weights.up] : [weights.up];
    return tf.concat([...rows, tf.transpose(weights.down)], 0);
  });
}
