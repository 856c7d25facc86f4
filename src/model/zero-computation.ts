import * as tf from '@tensorflow/tfjs';
import type { MixtureArchitecture } from '../architecture/architecture';
import { constantName } from '../architecture/zero-computation';
import { linear } from '../engine/ops/linear';
import { matrix, vector } from './lookup';
import type { ModelParameters } from './parameters';

/**
 * The choices that their experts have room for, in the order of the tokens. `mask` (sequences*choices, columns) has 1 where a row's expert
 * is; rows over the capacity of their column in their sequence, rounded to whole rows, become zero.
 */
export function withinCapacity(mask: tf.Tensor2D, choices: number, capacities: readonly number[]): tf.Tensor2D {
  const bySequence = tf.reshape(mask, [-1, choices, capacities.length]);
  const places = tf.sub(tf.cumsum(bySequence, 1), 0.5);
  const fits = tf.cast(tf.less(places, tf.tensor1d([...capacities])), 'float32');
  return tf.reshape(tf.mul(bySequence, fits), mask.shape);
}

/**
 * What copy and constant experts add to the outputs of FFN experts (MoE++, arXiv 2410.07348, section 3): a copy gives u, a constant
 * a1 u + a2 v with [a1, a2] = softmax(Wc u), a zero expert nothing. `u` (T, E), `gates` (T, columns), 0 where a token was not sent ->
 * (T, E); `undefined` where there are zero experts alone.
 */
export function zeroComputation(
  { experts, zeroComputation: kinds }: MixtureArchitecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  gates: tf.Tensor2D,
): tf.Tensor2D | undefined {
  const { constant, copy, zero } = kinds!;
  if (!constant && !copy) return undefined;
  const sizes = [experts, constant, copy, zero];
  const parts: tf.Tensor2D[] = tf.split(gates, sizes.filter(Boolean), 1);
  const [, ...rest] = parts;
  const constantGates = constant ? rest.shift()! : undefined;
  const ofInput = copy ? [tf.sum(rest[0]!, 1, true)] : []; // (T, 1)
  if (!constantGates) return tf.mul(u, ofInput[0]!);
  const { input, vectors } = constantWeights(parameters, layer, constant, u);
  ofInput.push(tf.sum(tf.mul(constantGates, input), 1, true));
  const stacked = tf.stack(
    Array.from({ length: constant }, (_, i) => vector(parameters, constantName(layer, i, 'vector'))),
  ) as tf.Tensor2D; // (constants, E)
  return tf.add(tf.mul(u, tf.addN(ofInput)), tf.matMul(tf.mul(constantGates, vectors), stacked));
}

/** How much of its input and of its vector each constant expert gives, (T, constants) each. */
function constantWeights(
  parameters: ModelParameters,
  layer: number,
  constants: number,
  u: tf.Tensor2D,
): { input: tf.Tensor2D; vectors: tf.Tensor2D } {
  const scorers = Array.from({ length: constants }, (_, i) => matrix(parameters, constantName(layer, i, 'mix')));
  const scores = linear(u, tf.concat(scorers)); // (T, 2*constants)
  const weights = tf.softmax(tf.reshape(scores, [u.shape[0], constants, 2]));
  const [input, vectors] = tf.unstack(weights, 2) as [tf.Tensor2D, tf.Tensor2D];
  return { input, vectors };
}
