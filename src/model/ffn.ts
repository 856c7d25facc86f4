import * as tf from '@tensorflow/tfjs';
import { linear } from '../engine/ops/linear';
import type { Architecture, MixtureArchitecture } from '../architecture/architecture';
import { ffnName, routerName } from '../architecture/parameters';
import { permuteRows } from '../engine/ops/rows';
import { swiglu } from '../engine/ops/swiglu';
import { matrix } from './lookup';
import type { ModelParameters } from './parameters';
import { dispatchByExpert, type RouterOutput, routerScores, topExperts } from './routing';

/** What a block's FFN gives: its output (tokens, E), and its router's decision in a mixture. */
export interface FfnOutput {
  output: tf.Tensor2D;
  router?: RouterOutput;
}

/** The FFN of one block, dense or mixture. `u` is the normed input, (tokens, E). */
export function ffn(architecture: Architecture, parameters: ModelParameters, layer: number, u: tf.Tensor2D): FfnOutput {
  const { mixture } = architecture;
  return mixture ? mixtureFfn(mixture, parameters, layer, u) : { output: expertFfn(parameters, layer, u) };
}

/** One SwiGLU FFN: down(silu(gate u) * up u). (K, E) -> (K, E). */
function expertFfn(parameters: ModelParameters, layer: number, u: tf.Tensor2D, expert?: number): tf.Tensor2D {
  const gate = linear(u, matrix(parameters, ffnName(layer, 'gate', expert))); // (K, F)
  const up = linear(u, matrix(parameters, ffnName(layer, 'up', expert))); // (K, F)
  return linear(swiglu(gate, up), matrix(parameters, ffnName(layer, 'down', expert))); // (K, E)
}

/**
 * The sum of the chosen experts' outputs, each times its gate (BAM, arXiv 2408.08274, section 3). Dropless: each expert computes
 * exactly the rows that chose it.
 */
function mixtureFfn(
  mixture: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
): FfnOutput {
  const [tokens, width] = u.shape;
  const { experts, ffnTopK: k } = mixture;
  const { logits, probabilities } = routerScores(u, matrix(parameters, routerName(layer, 'ffn')));
  const chosen = topExperts(probabilities.dataSync<'float32'>(), experts, k);
  const { order, inverse, assigned } = dispatchByExpert(chosen, experts);
  const orderTensor = tf.tensor1d(order, 'int32');
  const inverseTensor = tf.tensor1d(inverse, 'int32');

  const pairs = k === 1 ? u : tf.reshape(tf.tile(tf.expandDims(u, 1), [1, k, 1]), [tokens * k, width]); // (T*k, E)
  const byExpert = permuteRows(pairs as tf.Tensor2D, orderTensor, inverseTensor);
  const outputs = runExperts(parameters, layer, byExpert, assigned);
  const byPair = tf.reshape(permuteRows(outputs, inverseTensor, orderTensor), [tokens, k, width]);
  const gates = chosenGates(mixture, chosen, logits, probabilities); // (T, k)
  const output = tf.sum(tf.mul(byPair, tf.expandDims(gates, 2)), 1) as tf.Tensor2D; // (T, E)
  return { output, router: { layer, router: 'ffn', logits, probabilities, assigned } };
}

/** Runs every expert on its own rows. `rows` (R, E), grouped by expert; `assigned` says how many each has. */
function runExperts(parameters: ModelParameters, layer: number, rows: tf.Tensor2D, assigned: Int32Array): tf.Tensor2D {
  const busy = [...assigned.keys()].filter((expert) => assigned[expert]! > 0);
  const sizes = busy.map((expert) => assigned[expert]!);
  const inputs: tf.Tensor2D[] = busy.length === 1 ? [rows] : tf.split(rows, sizes);
  const outputs = busy.map((expert, i) => expertFfn(parameters, layer, inputs[i]!, expert));
  return outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 0);
}

/** Gates of the chosen experts, (tokens, k): their probability, or a softmax over the chosen logits alone. */
function chosenGates(
  mixture: MixtureArchitecture,
  chosen: Int32Array,
  logits: tf.Tensor2D,
  probabilities: tf.Tensor2D,
): tf.Tensor2D {
  const { experts, ffnTopK: k, gate } = mixture;
  // A product with a one-hot mask picks the entries and has a gradient; tfjs has none for a gather by two indices.
  const picked = new Float32Array(chosen.length * experts);
  chosen.forEach((expert, pair) => (picked[pair * experts + expert] = 1));
  const mask = tf.tensor3d(picked, [chosen.length / k, k, experts]);
  const scores = gate === 'softmax-topk' ? probabilities : logits;
  const selected = tf.sum(tf.mul(tf.expandDims(scores, 1), mask), 2) as tf.Tensor2D;
  return gate === 'softmax-topk' ? selected : tf.softmax(selected);
}
