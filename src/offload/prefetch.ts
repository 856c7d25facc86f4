import type { ExpertCopy, Part } from './cache';
import { type Thresholds, wantedPrecisions } from './loading';
import type { LayerRouting } from './trace';

export interface PrefetchQuestion {
  /** The layer that computes. */
  layer: number;
  /** What the routers of the next layers would choose, the next first. */
  predictions: readonly LayerRouting[];
  thresholds: Thresholds | undefined;
  /** Whether an expert is in memory, or on its way. */
  has: (copy: ExpertCopy) => boolean;
}

export interface PrefetchPlan {
  /** Experts that should not go now. */
  masked: { layer: number; expert: number }[];
  /** Experts to load. */
  loads: ExpertCopy[];
}

/**
 * What to load ahead (HOBBIT, arXiv 2411.01433, layer-level adaptive prefetch): the missing experts of the first of the next layers that
 * misses one. Predicted experts of the layers that were looked at are masked from eviction.
 */
export function planPrefetch({ layer, predictions, thresholds, has }: PrefetchQuestion): PrefetchPlan {
  const masked: PrefetchPlan['masked'] = [];
  for (const [ahead, { experts, gates }] of predictions.entries()) {
    const target = layer + 1 + ahead;
    const wanted = wantedPrecisions(gates, thresholds);
    const parts = experts.flatMap((expert, i): ExpertCopy[] => {
      const part = wanted[i]!;
      return part === 'skip' ? [] : [{ layer: target, expert, part }];
    });
    masked.push(...parts.map(({ expert }) => ({ layer: target, expert })));
    const loads = parts.filter((copy) => !serves(copy, has));
    if (loads.length) return { masked, loads };
  }
  return { masked, loads: [] };
}

/** Whether there is what is wanted: a copy in high precision serves for one in low. */
function serves(copy: ExpertCopy, has: PrefetchQuestion['has']): boolean {
  return has(copy) || (copy.part === 'low' && has({ ...copy, part: 'high' as Part }));
}
