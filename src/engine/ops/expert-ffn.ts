import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import { dispatchByExpert } from './dispatch';
import { pairsByExpert, realPairs, restorePairs } from './expert-rows';
import { denseFfn, type FfnForm, type FfnWeights, formGradients, formOf, SWIGLU_TENSORS } from './ffn-forms';
import { nativeBackend } from './native';
import { ownGradient } from './own-gradient';
import { permuteRows, takeRows } from './rows';

/**
 * What each chosen expert makes of its token. `u` (T, E); `chosen` (T*k) int32, the experts of each token, k different ones ->
 * (T*k, E), in the order of `chosen`. Dropless: each expert computes exactly the rows that chose it, however many those are.
 * Where `chosen` is `experts.length`, nobody computes, and the row is zero.
 */
export function expertFfn(u: tf.Tensor2D, chosen: tf.Tensor1D, experts: readonly FfnWeights[]): tf.Tensor2D {
  const backend = nativeBackend();
  return backend ? nativeExperts(backend, u, chosen, experts) : portableExperts(u, chosen, experts);
}

/** Sorts the rows by expert on the host, which has to look at `chosen` for that. */
function portableExperts(u: tf.Tensor2D, chosen: tf.Tensor1D, experts: readonly FfnWeights[]): tf.Tensor2D {
  const [tokens, width] = u.shape;
  const k = chosen.shape[0] / tokens;
  const { order, inverse, assigned } = dispatchByExpert(chosen.dataSync<'int32'>(), experts.length + 1);
  const orderTensor = tf.tensor1d(order, 'int32');
  const inverseTensor = tf.tensor1d(inverse, 'int32');
  const pairs = k === 1 ? u : tf.reshape(tf.tile(tf.expandDims(u, 1), [1, k, 1]), [tokens * k, width]); // (T*k, E)
  const byExpert = permuteRows(pairs as tf.Tensor2D, orderTensor, inverseTensor);
  const busy = [...assigned.keys()].filter((expert) => assigned[expert]! > 0);
  const sizes = busy.map((expert) => assigned[expert]!);
  // tfjs has no gradient for a split into one part.
  const inputs: tf.Tensor2D[] = busy.length === 1 ? [byExpert] : tf.split(byExpert, sizes);
  const outputs = tf.concat(
    busy.map((expert, i) => {
      const weights = experts[expert];
      return weights ? denseFfn(inputs[i]!, weights) : tf.zerosLike(inputs[i]!);
    }),
  );
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
  const forms = experts.map(formOf);
  return ownGradient(
    [u, ...forms.flatMap(({ tensors }) => tensors)],
    () => {
      const rows = tf.concat([u, tf.zeros<tf.Rank.R2>([1, width])]); // (T+1, E): fillers take the last
      const { byExpert, nobody } = pairsByExpert(backend, chosen, experts.length);
      const passes = byExpert.map((pairs, expert) => forward(rows, pairs, k, forms[expert]!));
      const parts = passes.map(({ pairs, output }) => ({ pairs, rows: output }));
      const value = restorePairs(backend, [zeroRows(nobody, width), ...parts], tokens * k);
      return { value, saved: [nobody, ...passes.flatMap(({ saved }) => saved)] };
    },
    (dy, [nobody, ...saved]) => {
      const each = saved.length / forms.length;
      const passes = forms.map((form, expert) =>
        backward(dy as tf.Tensor2D, saved.slice(expert * each, (expert + 1) * each), form.tensors.length),
      );
      const parts = passes.map(({ pairs, dx }) => ({ pairs, rows: dx }));
      const dPairs = restorePairs(backend, [zeroRows(nobody as tf.Tensor1D, width), ...parts], tokens * k); // (T*k, E)
      const du = k === 1 ? dPairs : tf.sum(tf.reshape(dPairs, [tokens, k, width]), 1); // (T, E)
      return [du, ...passes.flatMap(({ dTensors }) => dTensors)];
    },
  );
}

/** A row of zeros for each of these pairs. */
function zeroRows(pairs: tf.Tensor1D, width: number): { pairs: tf.Tensor1D; rows: tf.Tensor2D } {
  return { pairs, rows: takeRows(tf.zeros([1, width]), tf.zerosLike(pairs)) };
}

/** One expert on its own rows. `u` (T+1, E), the last row zero; `pairs` (R) int32 says which of the (T*k) pairs they are. */
function forward(u: tf.Tensor2D, pairs: tf.Tensor1D, k: number, form: FfnForm) {
  const x = takeRows(u, k === 1 ? pairs : (tf.floorDiv(pairs, tf.scalar(k, 'int32')) as tf.Tensor1D)); // (R, E)
  const { output, saved } = form.forward(x);
  return { pairs, output, saved: [pairs, x, ...saved, ...form.tensors] };
}

/** The gradients of `forward` by its rows and its weights, the last `count` of `saved`. `dy` (T*k, E) is the gradient of all pairs. */
function backward(dy: tf.Tensor2D, saved: tf.Tensor[], count: number) {
  const [pairs, x, ...rest] = saved as [tf.Tensor1D, tf.Tensor2D, ...tf.Tensor[]];
  const gradients = formGradients(outputGradient(dy, pairs, count), x, rest.slice(0, -count), rest.slice(-count));
  return { pairs, ...gradients };
}

/**
 * The rows of `dy` that are an expert's, (R, E). With SwiGLU a filler may take any row, since what it is multiplied with is zero; with
 * biases that is not so, and a filler's row has to be zero.
 */
function outputGradient(dy: tf.Tensor2D, pairs: tf.Tensor1D, count: number): tf.Tensor2D {
  const rows = takeRows(dy, realPairs(pairs, dy.shape[0]));
  if (count === SWIGLU_TENSORS) return rows;
  const isReal = tf.cast(tf.less(pairs, tf.scalar(dy.shape[0], 'int32')), 'float32');
  return tf.mul(rows, tf.expandDims(isReal, 1));
}
