import * as tf from '@tensorflow/tfjs';
import type { MixtureArchitecture } from '../architecture/architecture';
import { balanceBiasName } from '../architecture/parameters';
import { capacities } from '../architecture/zero-computation';
import { expertFfn } from '../engine/ops/expert-ffn';
import type { FfnWeights } from '../engine/ops/ffn-forms';
import { topExperts } from '../engine/ops/top-experts';
import { vector } from './lookup';
import type { ModelParameters } from './parameters';
import { placesOf } from './pruned';
import { choiceOf, expertMask, type RouterChoice, type RouterScores } from './routing';
import { withinCapacity, zeroComputation } from './zero-computation';

/** A mixture's FFN where tokens are sent to some experts. */
interface SparseFfn {
  mixture: MixtureArchitecture;
  /** Tokens of a sequence. */
  context: number;
  parameters: ModelParameters;
  layer: number;
  /** The FFN experts that there are, and their columns of the router. */
  experts: readonly FfnWeights[];
  columns: readonly number[];
  /** Only in training experts have a capacity. */
  trains: boolean;
}

/**
 * The sum of the chosen experts' outputs, each times its gate (BAM, arXiv 2408.08274, section 3), and which tokens each
 * expert was chosen for, whether it had room for them or not.
 */
export function sparseFfn(
  { mixture, context, parameters, layer, experts, columns, trains }: SparseFfn,
  u: tf.Tensor2D,
  scores: RouterScores,
): { output: tf.Tensor2D } & RouterChoice {
  const [tokens] = u.shape;
  const k = mixture.ffnTopK;
  const choices = scores.logits.shape[1];
  const chosen = chosenExperts(mixture, parameters, layer, scores); // (T*k) int32
  const mask = expertMask(chosen, choices); // (T*k, columns)
  const room = trains ? capacities(mixture, context * k, experts.length) : undefined;
  const kept = room ? withinCapacity(mask, context * k, room) : mask;
  const places = room || experts.length < choices ? placesOf(kept, columns) : chosen;
  const byPair = expertFfn(u, places, experts); // (T*k, E)
  const gates = chosenGates(mixture, mask, scores); // (T*k, 1)
  const overChoices = (pairs: tf.Tensor2D): tf.Tensor2D =>
    k === 1 ? pairs : tf.sum(tf.reshape(pairs, [tokens, k, pairs.shape[1]]), 1);
  const computed = overChoices(tf.mul(byPair, gates)); // (T, E)
  const others =
    mixture.zeroComputation && zeroComputation(mixture, parameters, layer, u, overChoices(tf.mul(kept, gates)));
  return { output: others ? tf.add(computed, others) : computed, ...choiceOf(mask, tokens) };
}

/** The k best experts of every token by probability, to which the balance bias is added if there is one. (T*k) int32. */
function chosenExperts(
  { ffnTopK, router }: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  { probabilities }: RouterScores,
): tf.Tensor1D {
  if (!router?.balanceBias) return topExperts(probabilities, ffnTopK);
  return topExperts(tf.add(probabilities, vector(parameters, balanceBiasName(layer))), ffnTopK);
}

/** Gates of the chosen experts, (T*k, 1): their probability, or a softmax over the chosen logits alone. */
function chosenGates(
  { ffnTopK: k, gate }: MixtureArchitecture,
  mask: tf.Tensor2D,
  { logits, probabilities }: RouterScores,
): tf.Tensor2D {
  const [tokens, experts] = logits.shape;
  const scores = gate === 'softmax-topk' ? probabilities : logits;
  // A product with a one-hot mask picks the entries and has a gradient; tfjs has none for a gather by two indices.
  const byToken = tf.reshape(mask, [tokens, k, experts]);
  const selected = tf.sum(tf.mul(tf.expandDims(scores, 1), byToken), 2) as tf.Tensor2D; // (T, k)
  return tf.reshape(gate === 'softmax-topk' ? selected : tf.softmax(selected), [tokens * k, 1]);
}
