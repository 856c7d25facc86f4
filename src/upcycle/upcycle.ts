import { type Architecture, attentionExperts, keyValueExperts } from '../architecture/architecture';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { deriveSeed, normalValues } from '../base/random';

/** A dense checkpoint that becomes an expert. */
export interface Parent {
  /** The stage it came from, for messages. */
  name: string;
  architecture: Architecture;
  parameters: ReadonlyMap<string, Float32Array>;
}

/** Standard deviation of new routers (BAM leaves it open; 0.02 is what MoV and Drop-Upcycling's code use). */
const ROUTER_DEVIATION = 0.02;

/**
 * Builds the mixture's parameters from its dense parents (BAM, arXiv 2408.08274, section 3; BTX, arXiv 2403.07816): expert i's tensors
 * are copied from parent i, every other parameter is the mean over the parents, routers are random. Which tensors are experts
 * follows from the mixture's architecture: FFNs only (BTX), attention too (BAM), keys and values shared or not.
 * Throws a `CheckpointError` (reason `parent-mismatch`) that names the tensor and both shapes if parents differ.
 */
export function upcycle(parents: readonly Parent[], mixture: Architecture, seed: number): Map<string, Float32Array> {
  checkParents(parents, mixture);
  const parameters = new Map<string, Float32Array>();
  for (const spec of parameterSpecs(mixture)) parameters.set(spec.name, upcycledValues(spec, parents, seed));
  return parameters;
}

function upcycledValues(spec: ParameterSpec, parents: readonly Parent[], seed: number): Float32Array {
  if (spec.role === 'balance') return new Float32Array(spec.shape[0]!);
  if (spec.role === 'router') {
    return normalValues(deriveSeed(seed, 'parameter', spec.name), spec.shape[0]! * spec.shape[1]!, ROUTER_DEVIATION);
  }
  if (spec.expert !== undefined) {
    const inParent = spec.name.replace(`.experts.${spec.expert}.`, '.');
    return parents[spec.expert]!.parameters.get(inParent)!.slice();
  }
  return mean(parents.map((parent) => parent.parameters.get(spec.name)!));
}

/** Element-wise mean, summed in float64 so that the mean of equal tensors is that tensor to the last bit. */
function mean(tensors: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(tensors[0]!.length);
  for (const tensor of tensors) for (let i = 0; i < sums.length; i++) sums[i]! += tensor[i]!;
  return Float32Array.from(sums, (sum) => sum / tensors.length);
}

function checkParents(parents: readonly Parent[], mixture: Architecture): void {
  const { mixture: experts, ...dense } = mixture;
  if (!experts || experts.experts !== parents.length) {
    throw new CheckpointError(`The mixture wants ${experts?.experts ?? 0} experts, found ${parents.length} parents.`, {
      reason: 'parent-mismatch',
    });
  }
  for (const parent of parents) {
    if (parent.architecture.mixture) {
      throw new CheckpointError(`Parent ${parent.name} should be dense, found a mixture.`, {
        reason: 'parent-mismatch',
        advice: 'List dense stages under `experts`.',
      });
    }
    checkTensors(parent, parameterSpecs(dense));
    checkSettings(parent, dense);
  }
}

function checkTensors(parent: Parent, expected: readonly ParameterSpec[]): void {
  const found = new Map(parameterSpecs(parent.architecture).map((spec) => [spec.name, spec.shape]));
  for (const { name, shape } of expected) {
    const own = found.get(name);
    if (String(own) === String(shape) && parent.parameters.has(name)) continue;
    const what = own && parent.parameters.has(name) ? `(${own.join(', ')})` : 'no such tensor';
    throw new CheckpointError(`Parent ${parent.name}: tensor ${name} should be (${shape.join(', ')}), found ${what}.`, {
      reason: 'parent-mismatch',
      advice: 'All parents of a mixture must have one shape: train them from the same seed model.',
    });
  }
}

/** Settings that shapes do not show, but that change what copied weights compute. */
function checkSettings(parent: Parent, dense: Architecture): void {
  for (const key of ['heads', 'kvHeads', 'ropeBase', 'normEpsilon', 'tiedEmbeddings'] as const) {
    if (parent.architecture[key] === dense[key]) continue;
    throw new CheckpointError(
      `Parent ${parent.name}: ${key} should be ${dense[key]}, found ${parent.architecture[key]}.`,
      {
        reason: 'parent-mismatch',
        advice: 'All parents of a mixture must share this setting: train them from the same seed model.',
      },
    );
  }
}

/** In words what a mixture copies and what it averages, for the log. */
export function describeMixture(mixture: Architecture): string {
  const experts = mixture.mixture!.experts;
  const copied = ['FFN'];
  if (attentionExperts(mixture) > 1) copied.push('attention queries and outputs');
  if (keyValueExperts(mixture) > 1) copied.push('attention keys and values');
  return `${experts} experts: ${copied.join(', ')} copied; all else averaged; routers new`;
}
