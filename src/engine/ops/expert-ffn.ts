import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import { dispatchByExpert } from './dispatch';
import { linear } from './linear';
import { intAttribute, nativeBackend, typeAttribute } from './native';
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
      const passes = pairsByExpert(backend, chosen, experts.length).map((pairs, expert) =>
        forward(u, pairs, k, experts[expert]!),
      );
      const value = stitch(
        backend,
        passes.map(({ pairs }) => pairs),
        passes.map(({ output }) => output),
      ) as tf.Tensor2D;
      return { value, saved: passes.flatMap(({ saved }) => saved) };
    },
    (dy, saved) => {
      const passes = experts.map((_, expert) => backward(dy as tf.Tensor2D, saved.slice(expert * SAVED)));
      const dPairs = stitch(
        backend,
        passes.map(({ pairs }) => pairs),
        passes.map(({ dx }) => dx),
      ); // (T*k, E)
      const du = k === 1 ? dPairs : tf.sum(tf.reshape(dPairs, [tokens, k, width]), 1); // (T, E)
      return [du, ...passes.flatMap(({ dWeights }) => dWeights)];
    },
  );
}

/** How many tensors `forward` saves. */
const SAVED = 9;

/** One expert on its own rows. `pairs` (R) int32 says which of the (T*k) pairs they are. */
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
  const dOutput = takeRows(dy, pairs as tf.Tensor as tf.Tensor1D); // (R, E)
  const dHidden = tf.matMul(dOutput, down!); // (R, F)
  // d silu / d gate = sigmoid + silu * (1 - sigmoid)
  const slope = tf.add(sigmoid!, tf.sub(silu!, tf.mul(silu!, sigmoid!)));
  const dGated = tf.mul(tf.mul(dHidden, raised!), slope) as tf.Tensor2D;
  const dRaised = tf.mul(dHidden, silu!) as tf.Tensor2D;
  return {
    pairs: pairs as tf.Tensor,
    dx: tf.add(tf.matMul(dGated, gate!), tf.matMul(dRaised, up!)),
    dWeights: [tf.matMul(dGated, x!, true), tf.matMul(dRaised, x!, true), tf.matMul(dOutput, hidden!, true)],
  };
}

/** For each expert the places of `chosen` that name it, in their order. */
function pairsByExpert(backend: NodeJSKernelBackend, chosen: tf.Tensor1D, experts: number): tf.Tensor1D[] {
  const places = tf.range(0, chosen.shape[0], 1, 'int32');
  const attributes = [intAttribute(backend, 'num_partitions', experts), typeAttribute(backend, 'T', 'int32')];
  return backend.executeMultipleOutputs('DynamicPartition', attributes, [places, chosen], experts) as tf.Tensor1D[];
}

/** Puts rows back where they came from: row i of `rows[e]` becomes row `places[e][i]`. Every place is named once. */
function stitch(backend: NodeJSKernelBackend, places: tf.Tensor[], rows: tf.Tensor[]): tf.Tensor {
  const attributes = [intAttribute(backend, 'N', rows.length), typeAttribute(backend, 'T', 'float32')];
  return backend.executeSingleOutput('ParallelDynamicStitch', attributes, [...places, ...rows]);
}
