import * as tf from '@tensorflow/tfjs';
import { type Architecture, attentionExperts } from '../architecture/architecture';
import { routerName } from '../architecture/parameters';
import { deriveSeed } from '../base/random';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import { attentionTables } from '../model/attention';
import { type ModelParameters, type ParameterValues, withParameters } from '../model/parameters';
import { type BlockInputs, forward } from '../model/transformer';

/** Training sequences of a domain that its mean is taken over. */
const SEQUENCES = 16;

/** The domains that a mix takes most of: one, or several that it takes as much of. */
export function mainDomains(mix: Readonly<Record<string, number>>): string[] {
  const most = Math.max(...Object.values(mix));
  return Object.keys(mix).filter((domain) => mix[domain] === most);
}

export interface CentroidOptions {
  mixture: Architecture;
  /** The dense model that reads the domains: the mean of the parents. */
  dense: ParameterValues;
  /** Each expert's own. */
  domains: readonly (readonly OpenDomain[])[];
  deviation: number;
  seed: number;
}

/**
 * Routers that know the experts' domains: row i points where the normed block inputs u of expert i's domains do on average, layer by layer,
 * as the dense model computes them on training text. A row's norm is deviation * sqrt(width), which random rows are expected to have;
 * so the score of a token is its likeness to a domain, and no row is preferred for its size.
 */
export function centroidRouters({
  mixture,
  dense,
  domains,
  deviation,
  seed,
}: CentroidOptions): Map<string, Float32Array> {
  const { mixture: _, ...architecture } = mixture;
  return withParameters(architecture, dense, (parameters) => {
    const means = domains.map((own) => meanInputs(architecture, parameters, own, seed)); // [expert][layer](E)
    const norm = deviation * Math.sqrt(mixture.width);
    const kinds = attentionExperts(mixture) > 1 ? (['ffn', 'attention'] as const) : (['ffn'] as const);
    return new Map(
      Array.from({ length: mixture.layers }, (_, layer) => {
        return kinds.map((kind): [string, Float32Array] => {
          const rows = means.flatMap((layers) => [...withNorm(layers[layer]![kind], norm)]);
          return [routerName(layer, kind), Float32Array.from(rows)];
        });
      }).flat(),
    );
  });
}

/** The mean of what attention and FFN of every block read, over training sequences of some domains. */
function meanInputs(
  architecture: Architecture,
  parameters: ModelParameters,
  domains: readonly OpenDomain[],
  seed: number,
): Record<keyof BlockInputs, Float64Array>[] {
  const sources = domains.map(({ name, train }) => ({ name, weight: 1, file: train }));
  const sampler = new MixtureSampler(sources, architecture.context, deriveSeed(seed, 'centroids'));
  const zeros = (): Float64Array => new Float64Array(architecture.width);
  const sums = Array.from({ length: architecture.layers }, () => ({ attention: zeros(), ffn: zeros() }));
  for (let sequence = 0; sequence < SEQUENCES; sequence++) {
    const means = tf.tidy(() => {
      const ids = tf.tensor1d(sampler.next(1).inputs, 'int32');
      const { inputs } = forward(architecture, parameters, ids, attentionTables(architecture, architecture.context));
      const mean = (u: tf.Tensor2D): Float32Array => tf.mean(u, 0).dataSync<'float32'>();
      return inputs.map(({ attention, ffn }) => ({ attention: mean(attention), ffn: mean(ffn) }));
    });
    sums.forEach((sum, layer) => {
      for (const kind of ['attention', 'ffn'] as const)
        means[layer]![kind].forEach((value, i) => (sum[kind][i]! += value));
    });
  }
  return sums;
}

function withNorm(values: Float64Array, norm: number): Float64Array {
  const length = Math.hypot(...values);
  return values.map((value) => (value * norm) / length);
}
