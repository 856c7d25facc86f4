import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import type { Batch } from '../data/sequences';
import { attentionTables } from '../model/attention';
import { neuronsName } from '../model/draws';
import type { ModelParameters } from '../model/parameters';
import { forward, losses } from '../model/transformer';

/**
 * How much the loss depends on the weights of every hidden neuron of a dense model's FFNs (MoEBERT, arXiv 2204.07675, eq. 4): the sum over
 * samples of |sum over the neuron's weights of w dL/dw|, where a sample is a sequence and L its mean loss. A neuron's weights are its row of up, its
 * column of down, and with SwiGLU its row of gate; biases do not count. [layer](ffnHidden).
 *
 * The inner sum is the derivative of L by one number that multiplies all of the neuron's weights, at 1. So it takes no gradients by weights.
 */
export function neuronImportance(
  architecture: Architecture,
  parameters: ModelParameters,
  samples: Iterable<Batch>,
): Float64Array[] {
  const { layers, ffnHidden, context } = architecture;
  const sums = Array.from({ length: layers }, () => new Float64Array(ffnHidden));
  for (const { inputs, targets } of samples) {
    const slopes = tf.tidy(() => {
      const [ids, next] = [inputs, targets].map((tokens) => tf.tensor1d(tokens, 'int32')) as [tf.Tensor1D, tf.Tensor1D];
      const tables = attentionTables(architecture, context);
      const loss = (...neurons: tf.Tensor[]): tf.Scalar => {
        const given = new Map(neurons.map((one, layer) => [neuronsName(layer), one]));
        const output = forward(architecture, parameters, ids, tables, given);
        return losses(output, next, { loadBalance: 0, routerZ: 0 }).languageModel;
      };
      const ones = sums.map(() => tf.ones([ffnHidden]));
      return tf
        .grads(loss)(ones)
        .map((slope) => slope.dataSync<'float32'>());
    });
    slopes.forEach((slope, layer) => slope.forEach((value, neuron) => (sums[layer]![neuron]! += Math.abs(value))));
  }
  return sums;
}
