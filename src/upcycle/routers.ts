import type { Architecture } from '../architecture/architecture';
import { elementCount, parameterSpecs } from '../architecture/parameters';
import { deriveSeed, normalValues } from '../base/random';

/** How the routers of a mixture start. */
export interface RouterOptions {
  /** Random, all zero, or pointing at the domains of the experts, which takes a forward pass: src/train/centroids.ts. */
  init: 'normal' | 'zero' | 'centroid';
  /** Standard deviation of random rows; other rows have the norm that random ones are expected to have. */
  deviation: number;
}

/** BAM leaves the distribution open; 0.02 is what MoV and Drop-Upcycling's code use. */
export const ROUTER_DEFAULTS = { init: 'normal', deviation: 0.02 } as const;

/** Values of all new routers by name: zero, or Normal(0, deviation) from the seed. Those of `centroid` are random here. */
export function newRouters(
  architecture: Architecture,
  seed: number,
  { init, deviation }: RouterOptions = ROUTER_DEFAULTS,
): Map<string, Float32Array> {
  const routers = parameterSpecs(architecture).filter(({ role }) => role === 'router');
  return new Map(
    routers.map(({ name, shape }) => {
      const size = elementCount(shape);
      const zero = init === 'zero';
      return [name, zero ? new Float32Array(size) : normalValues(deriveSeed(seed, 'parameter', name), size, deviation)];
    }),
  );
}
