import type { Architecture } from '../architecture/architecture';
import { elementCount, type ParameterSpec, parameterSpecs } from '../architecture/parameters';
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

/** Standard deviation of what constant experts start with, that of all matrices. */
const CONSTANT_DEVIATION = 0.02;

/** Whether a mixture's parents have nothing that the parameter could start from. */
export function isNew({ role }: Pick<ParameterSpec, 'role'>): boolean {
  return role === 'router' || role === 'gating-residual' || role === 'constant';
}

/**
 * Values of all new routers by name: zero, or Normal(0, deviation) from the seed. Those of `centroid` are random here. Gating residuals
 * are zero, constant experts random.
 */
export function newRouters(
  architecture: Architecture,
  seed: number,
  { init, deviation }: RouterOptions = ROUTER_DEFAULTS,
): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(architecture)
      .filter(isNew)
      .map(({ name, shape, role }) => {
        const size = elementCount(shape);
        const zero = role === 'gating-residual' || (role === 'router' && init === 'zero');
        const spread = role === 'constant' ? CONSTANT_DEVIATION : deviation;
        return [name, zero ? new Float32Array(size) : normalValues(deriveSeed(seed, 'parameter', name), size, spread)];
      }),
  );
}
