import * as tf from '@tensorflow/tfjs';
import { type Graph, TYPE } from '../engine/graph/graph';
import { addAssignAdd, type GraphVariable } from '../engine/graph/variables';
import type { Architecture } from '../architecture/architecture';
import { balanceBiasName } from '../architecture/parameters';
import type { ModelParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import type { TrainSettings } from './step';

/**
 * Balances the FFN routers without a loss (DeepSeek-V3, arXiv 2412.19437, section 2.1.2): the bias of an expert with less than
 * the mean load rises by `rate`, with more it falls. `routers` are those of all passes of a step. Call it inside a `tf.tidy`.
 */
export function updateBalanceBiases(parameters: ModelParameters, routers: readonly RouterOutput[], rate: number): void {
  const loads = new Map<string, tf.Tensor1D[]>();
  for (const { layer, router, assigned } of routers) {
    const name = balanceBiasName(layer);
    if (router === 'ffn' && assigned) loads.set(name, [...(loads.get(name) ?? []), assigned]);
  }
  for (const [name, passes] of loads) {
    const load = tf.addN(passes); // (experts)
    // Whole numbers, so that the sign is right to the last token.
    const missing = tf.sub(tf.sum(load), tf.mul(load, load.shape[0]));
    const bias = parameters.get(name)!;
    bias.assign(tf.add(bias, tf.mul(tf.sign(missing), rate)));
  }
}

/** By how much a step moves the biases; `undefined` where there are none, or where routers stay as they are, as they do beside adapters. */
export function balanceRate(
  { mixture, adapters }: Architecture,
  { freeze }: Pick<TrainSettings, 'freeze'>,
): number | undefined {
  return adapters || freeze?.includes('routers') ? undefined : mixture?.router?.balanceBias;
}

/** A router's bias in a graph, and where the graph has its load, summed over the passes of a step. */
export interface GraphBias {
  variable: GraphVariable;
  load: string;
}

/** Adds what `updateBalanceBiases` does, where `go` is true. Returns the assigning operations. */
export function addBalanceBiases(graph: Graph, biases: readonly GraphBias[], rate: number, go: string): string[] {
  const T = { T: { type: TYPE.float32 } };
  const rateIfGo = graph.add('Switch', [graph.scalar(rate), go], T);
  const axis = graph.constant({ dtype: TYPE.int32, shape: [1], bytes: new Uint8Array(4) });
  return biases.map(({ variable, load }) => {
    const sum = graph.add('Sum', [load, axis], { ...T, Tidx: { type: TYPE.int32 } });
    const fair = graph.add('Mul', [load, graph.scalar(variable.shape[0]!)], T);
    const sign = graph.add('Sign', [graph.add('Sub', [sum, fair], T)], T);
    return addAssignAdd(graph, variable, graph.add('Mul', [sign, `${rateIfGo}:1`], T));
  });
}
