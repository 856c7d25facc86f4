import {
  ADAPTED_PARTS,
  type AdaptedPart,
  type Architecture,
  attentionExperts,
  headSize,
  keyValueExperts,
} from './architecture';
import type { ParameterRole, ParameterSpec } from './parameters';

/**
 * Where a block's adapters sit: at a projection, at an FFN's inner activation (`hidden`), or beside the whole FFN of a mixture (`ffn`), whose
 * experts have none of their own.
 */
export const ADAPTED_PLACES = ['query', 'key', 'value', 'output', 'gate', 'up', 'hidden', 'down', 'ffn'] as const;
export type AdaptedPlace = (typeof ADAPTED_PLACES)[number];

/** A tensor of an adapter: its router, the (IA)^3 vectors of MoV, or LoRA's A and B. */
export type AdapterTensor = 'router' | 'vectors' | 'a' | 'b';

/** Name of a tensor of the adapter at one place of a block. */
export function adapterName(layer: number, place: AdaptedPlace, tensor: AdapterTensor): string {
  return `layers.${layer}.adapters.${place}.${tensor}`;
}

/** Whether a parameter belongs to an adapter. Of a model with adapters only these train. */
export function isAdapter({ role }: Pick<ParameterSpec, 'role'>): boolean {
  return role === 'adapter' || role === 'adapter-random';
}

/** The places of a block that have adapters, in the order of the forward pass. */
export function adaptedPlaces({ adapters, mixture, ffn }: Architecture): AdaptedPlace[] {
  if (!adapters) return [];
  const { method, parts } = adapters;
  const isGated = ffn !== 'gelu';
  const places: Record<AdaptedPart, AdaptedPlace[]> =
    method === 'mov'
      ? { attention: ['key', 'value'], ffn: ['hidden'] }
      : {
          attention: ['query', 'key', 'value', 'output'],
          ffn: mixture ? ['ffn'] : [...(isGated ? (['gate'] as const) : []), 'up', 'down'],
        };
  return ADAPTED_PARTS.flatMap((part) => (parts.includes(part) ? places[part] : []));
}

/** How many numbers a place's adapter reads of a token and changes. Attention experts stand side by side, as one projection. */
export function adapterSizes(architecture: Architecture, place: AdaptedPlace): { inputs: number; outputs: number } {
  const { width, ffnHidden, kvHeads } = architecture;
  const queries = attentionExperts(architecture) * width;
  const keys = keyValueExperts(architecture) * kvHeads * headSize(architecture);
  switch (place) {
    case 'query':
      return { inputs: width, outputs: queries };
    case 'key':
    case 'value':
      return { inputs: width, outputs: keys };
    case 'output':
      return { inputs: queries, outputs: width };
    case 'gate':
    case 'up':
      return { inputs: width, outputs: ffnHidden };
    case 'hidden':
      return { inputs: ffnHidden, outputs: ffnHidden };
    case 'down':
      return { inputs: ffnHidden, outputs: width };
    case 'ffn':
      return { inputs: width, outputs: width };
  }
}

/** Of how many parts each has its own gates in MoV: keys and values are routed head by head. */
export function adapterHeads(architecture: Architecture, place: AdaptedPlace): number {
  return place === 'key' || place === 'value' ? keyValueExperts(architecture) * architecture.kvHeads : 1;
}

/** The parameters of a block's adapters. One expert needs no router. */
export function adapterSpecs(architecture: Architecture, layer: number): ParameterSpec[] {
  const { adapters } = architecture;
  return adaptedPlaces(architecture).flatMap((place) => {
    const { experts, rank } = adapters!;
    const { inputs, outputs } = adapterSizes(architecture, place);
    const spec = (tensor: AdapterTensor, shape: number[], role: ParameterRole): ParameterSpec => {
      return { name: adapterName(layer, place, tensor), shape, role };
    };
    const read = rank ? inputs : outputs / adapterHeads(architecture, place);
    const router = experts > 1 ? [spec('router', [experts, read], 'adapter-random')] : [];
    if (!rank) return [...router, spec('vectors', [experts, outputs], 'adapter')];
    const all = experts * rank;
    return [...router, spec('a', [all, inputs], 'adapter-random'), spec('b', [outputs, all], 'adapter')];
  });
}

/** FLOPs of one block's adapters for a token: matrix products only. MoV's routers read every head. */
export function adapterFlops(architecture: Architecture): number {
  const { adapters } = architecture;
  if (!adapters) return 0;
  const { experts, rank } = adapters;
  const isRouted = experts > 1;
  const flops = adaptedPlaces(architecture).map((place) => {
    const { inputs, outputs } = adapterSizes(architecture, place);
    if (rank) return 2 * experts * (rank * (inputs + outputs) + (isRouted ? inputs : 0));
    return isRouted ? 4 * experts * outputs : 0;
  });
  return flops.reduce((sum, one) => sum + one, 0);
}
