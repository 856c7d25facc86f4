import type { Architecture } from '../architecture/architecture';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';
import { deriveSeed, uniformGenerator } from '../base/random';
import { newRouters } from './routers';
import { scaleExperts } from './scaling';
import type { Parent } from './upcycle';

/** How the neurons of an FFN are shared out. */
export interface SplitSizes {
  experts: number;
  /** Neurons of an expert. */
  width: number;
  /** The first of them by score, which all experts have. */
  shared: number;
}

/**
 * The hidden neurons of every expert (MoEBERT, arXiv 2204.07675, section 3.2, and its code): all get the `shared` neurons with the
 * highest scores, and of the rest, by falling score, expert e takes every N-th from the e-th on, until it has `width`. In the order of the dense
 * FFN, since the order within an expert changes nothing. Equal scores count as falling by index.
 */
export function expertNeurons(scores: ArrayLike<number>, { experts, width, shared }: SplitSizes): number[][] {
  const order = Array.from({ length: scores.length }, (_, neuron) => neuron).sort((a, b) => scores[b]! - scores[a]!);
  const rest = order.slice(shared);
  return Array.from({ length: experts }, (_, expert) => {
    const own = rest.filter((_, rank) => rank % experts === expert).slice(0, width - shared);
    return [...order.slice(0, shared), ...own].sort((a, b) => a - b);
  });
}

/** Scores of the hidden neurons of every layer that rank them by chance. */
export function randomScores({ layers, ffnHidden }: Architecture, seed: number): number[][] {
  return Array.from({ length: layers }, (_, layer) => {
    const uniform = uniformGenerator(deriveSeed(seed, 'neurons', layer));
    return Array.from({ length: ffnHidden }, uniform);
  });
}

/**
 * Splits the FFNs of a dense model into experts that have some of their neurons each: rows of gate and up with their biases, columns of
 * down; the bias of down is copied into every expert, and all else stays. `target` is the mixture, or with one expert a dense model;
 * `scores`
 * are those of the neurons, layer by layer. Where there are routers they are random from the seed, and the experts are scaled as their
 * gates, about 1 / experts, make them smaller.
 */
export function splitFfns(
  parent: Parent,
  target: Architecture,
  { scores, sizes, seed }: { scores: readonly ArrayLike<number>[]; sizes: SplitSizes; seed: number },
): Map<string, Float32Array> {
  const neurons = scores.map((layer) => expertNeurons(layer, sizes));
  const routers = newRouters(target, seed);
  const parameters = new Map<string, Float32Array>();
  for (const spec of parameterSpecs(target)) {
    const values = routers.get(spec.name) ?? inherited(spec, parent, neurons);
    parameters.set(spec.name, values);
  }
  if (routers.size) scaleExperts(parameters, target);
  return parameters;
}

/** Tensors with a row (gate, up and their biases) or a column (down) for each hidden neuron. */
const BY_ROW = /\.ffn\.(gate|up)\.(weight|bias)$/;
const BY_COLUMN = /\.ffn\.down\.weight$/;

function inherited({ name, layer, expert = 0 }: ParameterSpec, parent: Parent, neurons: number[][][]): Float32Array {
  const inParent = name.replace(/\.experts\.\d+\./, '.');
  const values = parent.parameters.get(inParent)!;
  const { ffnHidden } = parent.architecture;
  const each = values.length / ffnHidden;
  if (BY_ROW.test(inParent)) {
    const own = neurons[layer!]![expert]!;
    return Float32Array.from({ length: own.length * each }, (_, i) => {
      return values[own[Math.floor(i / each)]! * each + (i % each)]!;
    });
  }
  if (BY_COLUMN.test(inParent)) {
    const own = neurons[layer!]![expert]!;
    return Float32Array.from({ length: each * own.length }, (_, i) => {
      return values[Math.floor(i / own.length) * ffnHidden + own[i % own.length]!]!;
    });
  }
  return values.slice();
}
