import type { Architecture } from '../architecture/architecture';
import { biasName, ffnName, ffnProjections } from '../architecture/parameters';
import { ffnChoices, gatingResidualName } from '../architecture/zero-computation';
import { routerRow, type Values } from './router-norm';

/**
 * Puts the mean of a group of a layer's FFN experts in the place of its first, tensors and router row alike, in `parameters`
 * (arXiv 2407.09590, whose weights of the members are open: here all count the same). A group of one stays as it is.
 */
export function mergeExperts(
  parameters: Map<string, Float32Array>,
  architecture: Architecture,
  layer: number,
  group: readonly number[],
): void {
  const [first] = group as [number];
  for (const name of expertTensors(architecture, layer, first)) {
    const own = group.map((expert) => parameters.get(name.replace(`.experts.${first}.`, `.experts.${expert}.`))!);
    parameters.set(name, meanOf(own));
  }
  const rows = group.map((expert) => routerRow(parameters, layer, expert, architecture.width));
  rows[0]!.set(meanOf(rows));
  if (architecture.mixture?.gatingResidual) mergeResiduals(parameters, architecture, layer, group);
}

/**
 * The same of gating residuals: a merged expert's logit has the mean of its members' rows, and the router behind reads it with the sum of
 * their columns, as it read each of them.
 */
function mergeResiduals(
  parameters: Map<string, Float32Array>,
  { layers, mixture }: Architecture,
  layer: number,
  group: readonly number[],
): void {
  const columns = ffnChoices(mixture!);
  const [first] = group as [number];
  if (layer > 0) {
    const own = parameters.get(gatingResidualName(layer))!;
    const rows = group.map((expert) => own.subarray(expert * columns, (expert + 1) * columns));
    rows[0]!.set(meanOf(rows));
  }
  if (layer + 1 === layers) return;
  const next = parameters.get(gatingResidualName(layer + 1))!;
  for (let row = 0; row < next.length; row += columns) {
    next[row + first] = group.reduce((sum, expert) => sum + next[row + expert]!, 0);
  }
}

/** The parameters without the tensors of removed experts, by layer. Router rows stay: each expert keeps its column. */
export function withoutExperts(
  parameters: Values,
  architecture: Architecture,
  removed: readonly (readonly number[])[],
): Map<string, Float32Array> {
  const gone = removed.flatMap((experts, layer) =>
    experts.flatMap((expert) => expertTensors(architecture, layer, expert)),
  );
  const left = new Map(parameters);
  for (const name of gone) left.delete(name);
  return left;
}

/** The names of an expert's tensors. */
function expertTensors(architecture: Architecture, layer: number, expert: number): string[] {
  const weights = ffnProjections(architecture).map((projection) => ffnName(layer, projection, expert));
  return architecture.biases ? weights.flatMap((name) => [name, biasName(name)]) : weights;
}

/** Element-wise mean, summed in float64, so that the mean of equal tensors is that tensor to the last bit. */
function meanOf(tensors: readonly Float32Array[]): Float32Array {
  const sums = new Float64Array(tensors[0]!.length);
  for (const tensor of tensors) for (let i = 0; i < sums.length; i++) sums[i]! += tensor[i]!;
  return Float32Array.from(sums, (sum) => sum / tensors.length);
}
