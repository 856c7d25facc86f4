import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import { dispatchByExpert } from './dispatch';
import { pairsByExpert, realPairs, restorePairs } from './expert-rows';
import { linear } from './linear';
import { nativeBackend } from './native';
import { ownGradient } from './own-gradient';
import { permuteRows, takeRows } from './rows';
import { swiglu } from './swiglu';

/** The matrices of one SwiGLU FFN: gate and up (F, E), down (E, F). */
export interface FfnWeights {
  gate: tf.Tensor2D;
  up: tf.Tensor2D;
  down: tf.Tensor2D;
}

/** One SwiGLU FFN: down(silu(gate u) * up u). (K, E) -> (K, E). */
export function swigluFfn(u: tf.Tensor2D, { gate, up, down }: FfnWeights): tf.Tensor2D {
  return linear(swiglu(linear(u, gate), linear(u, up)), down);
}

/**
 * What each chosen expert makes of its token. `u` (T, E); `chosen` (T*k) int32, the experts of each token, k different ones ->
 * (T*k, E), in the order of `chosen`. Dropless: each expert computes exactly the rows that chose it, however many those are.
 */
export function expertFfn(u: tf.Tensor2D, chosen: tf.Tensor1D, experts: readonly FfnWeights[]): tf.Tensor2D {
  const backend = nativeBackend();
  return backend ? nativeExperts(backend, u, chosen, experts) : portableExperts(u, chosen, experts);
}

/** Sorts the rows by expert on the host, which has to look at `chosen` for that. */
function portableExperts(u: tf.Tensor2D, chosen: tf.Tensor1D, experts: readonly FfnWeights[]): tf.Tensor2D {
  const [tokens, width] = u.shape;
  const k = chosen.shape[0] / tokens;
  const { order, inverse, assigned } = dispatchByExpert(chosen.dataSync<'int32'>(), experts.length);
  const orderTensor = tf.tensor1d(order, 'int32');
  const inverseTensor = tf.tensor1d(inverse, 'int32');
  const pairs = k === 1 ? u : tf.reshape(tf.tile(tf.expandDims(u, 1), [1, k, 1]), [tokens * k, width]); // (T*k, E)
  const byExpert = permuteRows(pairs as tf.Tensor2D, orderTensor, inverseTensor);
  const busy = [...assigned.keys()].filter((expert) => assigned[expert]! > 0);
  const sizes = busy.map((expert) => assigned[expert]!);
  // tfjs has no gradient for a split into one part.
  const inputs: tf.Tensor2D[] = busy.length === 1 ? [byExpert] : tf.split(byExpert, sizes);
  const outputs = tf.concat(busy.map((expert, i) => swigluFfn(inputs[i]!, experts[expert]!)));
  return permuteRows(outputs, inverseTensor, orderTensor);
}

/**
 * Has TensorFlow sort the rows, so that nothing is read back and the operations are the same whatever the router says: only their
 * sizes change, and an expert without tokens computes on no rows. No operation here may be told the number of an expert's rows.
 */
function nativeExperts(
  backend: NodeJSKernelBackend,
  u: tf.Tensor2D,
  chosen: tf.Tensor1D,
  experts: readonly FfnWeights[],
): tf.Tensor2D {
  const [tokens, width] = u.shape;
  const k = chosen.shape[0] / tokens;
  return ownGradient(
    [u, ...experts.flatMap(({ gate, up, down }) => [gate, up, down])],
    () => {
      const rows = tf.concat([u, tf.zeros<tf.Rank.R2>([1, width])]); // (T+1, E): fillers take the last
      const passes = pairsByExpert(backend, chosen, experts.length).map((pairs, expert) =>
        forward(rows, pairs, k, experts[expert]!),
      );
      const value = restorePairs(
        backend,
        passes.map(({ pairs, output }) => ({ pairs, rows: output })),
        tokens * k,
      );
      return { value, saved: passes.flatMap(({ saved }) => saved) };
    },
    (dy, saved) => {
      const passes = experts.map((_, expert) => backward(dy as tf.Tensor2D, saved.slice(expert * SAVED)));
      const dPairs = restorePairs(
        backend,
        passes.map(({ pairs, dx }) => ({ pairs, rows: dx })),
        tokens * k,
      ); // (T*k, E)
      const du = k === 1 ? dPairs : tf.sum(tf.reshape(dPairs, [tokens, k, width]), 1); // (T, E)
      return [du, ...passes.flatMap(({ dWeights }) => dWeights)];
    },
  );
}

/** How many tensors `forward` saves. */
const SAVED = 9;

/** One expert on its own rows. `u` (T+1, E), the last row zero; `pairs` (R) int32 says which of the (T*k) pairs they are. */
function forward(u: tf.Tensor2D, pairs: tf.Tensor1D, k: number, { gate, up, down }: FfnWeights) {
  const x = takeRows(u, k === 1 ? pairs : (tf.floorDiv(pairs, tf.scalar(k, 'int32')) as tf.Tensor1D)); // (R, E)
  const gated = linear(x, gate); // (R, F)
  const raised = linear(x, up); // (R, F)
  const sigmoid = tf.sigmoid(gated);
  const silu = tf.mul(gated, sigmoid);
  const hidden = tf.mul(silu, raised) as tf.Tensor2D; // (R, F)
  return { pairs, output: linear(hidden, down), saved: [pairs, x, sigmoid, silu, raised, hidden, gate, up, down] };
}

/** The gradients of `forward` by its rows and its weights. `dy` (T*k, E) is the gradient of all pairs. */
function backward(dy: tf.Tensor2D, saved: tf.Tensor[]) {
  const [pairs, x, sigmoid, silu, raised, hidden, gate, up, down] = saved as tf.Tensor2D[];
  // A filler may take any row, since what it is multiplied with is zero.
  const dOutput = takeRows(dy, realPairs(pairs as tf.Tensor as tf.Tensor1D, dy.shape[0])); // (R, E)
  const dHidden = tf.matMul(dOutput, down!); // (R, F)
  // d silu / d gate = sigmoid + silu * (1 - sigmoid)
  const slope = tf.add(sigmoid!, tf.sub(silu!, tf.mul(silu!, sigmoid!)));
  const dGated = tf.mul(tf.mul(dHidden, raised!), slope) as tf.Tensor2D;
  const dRaised = tf.mul(dHidden, silu!) as tf.Tensor2D;
  return {
    pairs: pairs as tf.Tensor as tf.Tensor1D,
    dx: tf.add(tf.matMul(dGated, gate!), tf.matMul(dRaised, up!)) as tf.Tensor2D,
    dWeights: [tf.matMul(dGated, x!, true), tf.matMul(dRaised, x!, true), tf.matMul(dOutput, hidden!, true)],
  };
}
