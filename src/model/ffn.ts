import * as tf from '@tensorflow/tfjs';
import type { Architecture, MixtureArchitecture } from '../architecture/architecture';
import { ffnName, routerName } from '../architecture/parameters';
import { expertFfn, type FfnWeights, swigluFfn } from '../engine/ops/expert-ffn';
import { topExperts } from '../engine/ops/top-experts';
import { matrix } from './lookup';
import type { ModelParameters } from './parameters';
import { type RouterOutput, routerScores } from './routing';

/** What a block's FFN gives: its output (tokens, E), and its router's decision in a mixture. */
export interface FfnOutput {
  output: tf.Tensor2D;
  router?: RouterOutput;
}

/** The FFN of one block, dense or mixture. `u` is the normed input, (tokens, E). */
export function ffn(architecture: Architecture, parameters: ModelParameters, layer: number, u: tf.Tensor2D): FfnOutput {
  const { mixture } = architecture;
  return mixture ? mixtureFfn(mixture, parameters, layer, u) : { output: swigluFfn(u, weights(parameters, layer)) };
}

function weights(parameters: ModelParameters, layer: number, expert?: number): FfnWeights {
  return {
    gate: matrix(parameters, ffnName(layer, 'gate', expert)),
    up: matrix(parameters, ffnName(layer, 'up', expert)),
    down: matrix(parameters, ffnName(layer, 'down', expert)),
  };
}

/** The sum of the chosen experts' outputs, each times its gate (BAM, arXiv 2408.08274, section 3). */
function mixtureFfn(
  mixture: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
): FfnOutput {
  const [tokens, width] = u.shape;
  const { experts, ffnTopK: k } = mixture;
  const { logits, probabilities } = routerScores(u, matrix(parameters, routerName(layer, 'ffn')));
  const chosen = topExperts(probabilities, k); // (T*k)
  // wasm's own float32 form of this is broken.
  const mask = tf.cast(tf.oneHot(chosen, experts), 'float32') as tf.Tensor2D; // (T*k, experts)
  const all = Array.from({ length: experts }, (_, expert) => weights(parameters, layer, expert));
  const byPair = expertFfn(u, chosen, all); // (T*k, E)
  const gated = tf.mul(byPair, chosenGates(mixture, mask, logits, probabilities)) as tf.Tensor2D;
  const output = k === 1 ? gated : (tf.sum(tf.reshape(gated, [tokens, k, width]), 1) as tf.Tensor2D); // (T, E)
  const assigned = tf.sum(mask, 0) as tf.Tensor1D;
  const byToken = k === 1 ? mask : (tf.sum(tf.reshape(mask, [tokens, k, experts]), 1) as tf.Tensor2D);
  return { output, router: { layer, router: 'ffn', logits, probabilities, assigned, chosen: byToken } };
}

/** Gates of the chosen experts, (T*k, 1): their probability, or a softmax over the chosen logits alone. */
function chosenGates(
  { ffnTopK: k, gate }: MixtureArchitecture,
  mask: tf.Tensor2D,
  logits: tf.Tensor2D,
  probabilities: tf.Tensor2D,
): tf.Tensor2D {
  const [tokens, experts] = logits.shape;
  const scores = gate === 'softmax-topk' ? probabilities : logits;
  // A product with a one-hot mask picks the entries and has a gradient; tfjs has none for a gather by two indices.
  const byToken = tf.reshape(mask, [tokens, k, experts]);
  const selected = tf.sum(tf.mul(tf.expandDims(scores, 1), byToken), 2) as tf.Tensor2D; // (T, k)
  return tf.reshape(gate === 'softmax-topk' ? selected : tf.softmax(selected), [tokens * k, 1]);
}
