import type { Architecture } from '../architecture/architecture';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';
import { checkParents } from './check-parents';
import { type DropOptions, dropUnits } from './drop';
import { isNew, newRouters, type RouterOptions } from './routers';
import { scaleExperts } from './scaling';

/** A dense checkpoint that becomes an expert. */
export interface Parent {
  /** The stage it came from, for messages. */
  name: string;
  architecture: Architecture;
  parameters: ReadonlyMap<string, Float32Array>;
}

/** What happens to the copied experts, and how the routers start. */
export interface UpcycleOptions {
  drop?: DropOptions | undefined;
  weightScaling?: boolean | undefined;
  router?: RouterOptions | undefined;
}

/**
 * Builds the mixture's parameters from its dense parents, one for each expert (BAM, arXiv 2408.08274, section 3; BTX, arXiv 2403.07816;
 * with one parent for all, sparse upcycling, arXiv 2212.05055): expert i's tensors are copied from parent i, every other parameter is
 * the mean over the different parents, routers are new. A parent that is listed twice gives two equal experts, and counts once in the
 * means. Which tensors are experts follows from the mixture's architecture: FFNs only (BTX), attention too (BAM), keys and values
 * shared or not. Throws a `CheckpointError` (reason `parent-mismatch`) that names the tensor and both shapes if parents differ.
 */
export function upcycle(
  parents: readonly Parent[],
  mixture: Architecture,
  seed: number,
  options: UpcycleOptions = {},
): Map<string, Float32Array> {
  checkParents(parents, mixture);
  const parameters = newRouters(mixture, seed, options.router);
  for (const spec of parameterSpecs(mixture)) {
    if (!isNew(spec)) parameters.set(spec.name, inheritedValues(spec, parents));
  }
  if (options.drop) dropUnits(parameters, mixture, options.drop, seed);
  if (options.weightScaling) scaleExperts(parameters, mixture);
  return parameters;
}

function inheritedValues(spec: ParameterSpec, parents: readonly Parent[]): Float32Array {
  if (spec.role === 'balance') return new Float32Array(spec.shape[0]!);
  if (spec.expert !== undefined) {
    const inParent = spec.name.replace(`.experts.${spec.expert}.`, '.');
    return parents[spec.expert]!.parameters.get(inParent)!.slice();
  }
  return mean([...new Set(parents)].map((parent) => parent.parameters.get(spec.name)!));
}

/** The dense model whose every parameter is the mean over the different parents. */
export function averageParents(parents: readonly Parent[]): Map<string, Float32Array> {
  const specs = parameterSpecs(parents[0]!.architecture);
  return new Map(specs.map((spec) => [spec.name, inheritedValues(spec, parents)]));
}

/** Element-wise mean, summed in float64 so that the mean of equal tensors is that tensor to the last bit. */
function mean(tensors: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(tensors[0]!.length);
  for (const tensor of tensors) for (let i = 0; i < sums.length; i++) sums[i]! += tensor[i]!;
  return Float32Array.from(sums, (sum) => sum / tensors.length);
}
