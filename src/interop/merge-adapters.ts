import { adaptedPlaces, type AdaptedPlace, adapterName, isAdapter } from '../architecture/adapters';
import { type Architecture, attentionExperts, keyValueExperts } from '../architecture/architecture';
import { attentionName, biasName, ffnName, parameterSpecs } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';

interface Model {
  architecture: Architecture;
  parameters: ReadonlyMap<string, Float32Array>;
}

/**
 * A model whose adapters have one expert as the same model without adapters: (IA)^3 and LoRA merge into the weights exactly. One
 * without adapters is given back as it is. Throws a `CheckpointError` (`adapters`) for adapters that mix experts for every token.
 */
export function mergeAdapters({ architecture, parameters }: Model): Model {
  const { adapters, ...plain } = architecture;
  if (!adapters) return { architecture, parameters };
  if (adapters.experts > 1 || adaptedPlaces(architecture).includes('ffn')) {
    const why =
      adapters.experts > 1 ? `mix ${adapters.experts} experts for each token` : 'add to the whole FFN of a mixture';
    throw new CheckpointError(`The model's adapters cannot be merged into its weights: they ${why}.`, {
      reason: 'adapters',
      advice:
        'Only adapters with `experts: 1` merge, in a mixture those of `parts: [attention]`; else export the stage that was adapted.',
    });
  }
  const merged = new Map<string, Float32Array>();
  for (const spec of parameterSpecs(architecture)) {
    if (!isAdapter(spec)) merged.set(spec.name, parameters.get(spec.name)!.slice());
  }
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const place of adaptedPlaces(architecture)) {
      const tensor = (name: 'vectors' | 'a' | 'b'): Float32Array => parameters.get(adapterName(layer, place, name))!;
      if (adapters.method === 'mov') scale(merged, architecture, layer, place, tensor('vectors'));
      else addProduct(merged, architecture, layer, place, { a: tensor('a'), b: tensor('b') });
    }
  }
  return { architecture: plain, parameters: merged };
}

/** The weights of a place: of attention experts several, side by side. */
function weightsOf(architecture: Architecture, layer: number, place: AdaptedPlace): string[] {
  if (place === 'hidden') return [ffnName(layer, 'down')];
  if (place === 'gate' || place === 'up' || place === 'down') return [ffnName(layer, place)];
  if (place === 'ffn') return [];
  const isKeyValue = place === 'key' || place === 'value';
  const copies = isKeyValue ? keyValueExperts(architecture) : attentionExperts(architecture);
  if (copies === 1) return [attentionName(layer, place)];
  return Array.from({ length: copies }, (_, expert) => attentionName(layer, place, expert));
}

/** Rows of key and value, or columns of down, times 1 + v. */
function scale(
  merged: Map<string, Float32Array>,
  architecture: Architecture,
  layer: number,
  place: AdaptedPlace,
  vector: Float32Array,
): void {
  const names = weightsOf(architecture, layer, place);
  const size = vector.length / names.length;
  names.forEach((name, copy) => {
    const weight = merged.get(name)!;
    const width = place === 'hidden' ? 1 : weight.length / size;
    weight.forEach((value, i) => {
      weight[i] = value * (1 + vector[copy * size + (Math.floor(i / width) % size)]!);
    });
    const bias = place === 'hidden' ? undefined : merged.get(biasName(name));
    bias?.forEach((value, i) => (bias[i] = value * (1 + vector[copy * size + i]!)));
  });
}

/** alpha / rank times B A, of which every copy of a projection has its rows, or of the output its columns. */
function addProduct(
  merged: Map<string, Float32Array>,
  architecture: Architecture,
  layer: number,
  place: AdaptedPlace,
  { a, b }: { a: Float32Array; b: Float32Array },
): void {
  const rank = architecture.adapters!.rank!;
  const factor = architecture.adapters!.alpha! / rank;
  const inputs = a.length / rank;
  const names = weightsOf(architecture, layer, place);
  const columns = place === 'output' ? inputs / names.length : inputs;
  names.forEach((name, copy) => {
    const weight = merged.get(name)!;
    const [firstRow, firstColumn] = place === 'output' ? [0, copy * columns] : [(copy * weight.length) / columns, 0];
    weight.forEach((value, i) => {
      const row = firstRow + Math.floor(i / columns);
      const column = firstColumn + (i % columns);
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += b[row * rank + k]! * a[k * inputs + column]!;
      weight[i] = value + factor * sum;
    });
  });
}
