import { type Architecture, remainingExperts } from '../architecture/architecture';
import { routerName } from '../architecture/parameters';
import type { ExpertScores } from './choose';

/** The parameters of a checkpoint on the host, by name. */
export type Values = ReadonlyMap<string, Float32Array>;

/** One row of a layer's FFN router, (width). A view. */
export function routerRow(parameters: Values, layer: number, expert: number, width: number): Float32Array {
  return parameters.get(routerName(layer, 'ffn'))!.subarray(expert * width, (expert + 1) * width);
}

/**
 * By layer and expert, by how much the L2 norm of its FFN router row grew since an earlier checkpoint (arXiv 2405.16646): the signed
 * change of the norm, not the norm of the change.
 */
export function routerNormChanges(now: Values, before: Values, architecture: Architecture): ExpertScores {
  const { layers, width, mixture } = architecture;
  const norm = (parameters: Values, layer: number, expert: number): number =>
    Math.hypot(...routerRow(parameters, layer, expert, width));
  return scoresOf(layers, mixture!.experts, (layer) => {
    const remaining = remainingExperts(mixture!, layer);
    return new Map(remaining.map((expert) => [expert, norm(now, layer, expert) - norm(before, layer, expert)]));
  });
}

/** Scores by layer and expert from those of the experts that a layer has. */
export function scoresOf(
  layers: number,
  experts: number,
  ofLayer: (layer: number) => ReadonlyMap<number, number>,
): ExpertScores {
  return Array.from({ length: layers }, (_, layer) => {
    const found = ofLayer(layer);
    return Array.from({ length: experts }, (__, expert) => found.get(expert) ?? null);
  });
}
