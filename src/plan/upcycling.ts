import { isDeepStrictEqual } from 'node:util';
import type { MixtureArchitecture, ZeroComputation } from '../architecture/architecture';
import type { UpcycleConfig } from '../config/upcycle-schema';
import type { PlannedStage } from './plan';

/** Drop-Upcycling as its authors ran it (arXiv 2502.19261): half of the units, drawn for each matrix on its own. */
const DROP_DEFAULTS = { ratio: 0.5, indices: 'per-matrix' } as const;

/** The kinds of zero-computation experts, in the order of the router's columns. */
export const ZERO_COMPUTATION_KINDS = ['constant', 'copy', 'zero'] as const;

/** How routers start where the file does not say it; earlier versions knew nothing else. */
const ROUTER_DEFAULTS = { init: 'normal', deviation: 0.02 } as const;

/**
 * An upcycling with what its method needs filled in, and without what is as it would be anyway: settings that say the same have one key,
 * and files from before an option have the key that they had.
 */
export function completeUpcycling(config: UpcycleConfig): UpcycleConfig {
  const { drop, router, weightScaling, ffnRouting, gatingResidual, ...upcycle } = config;
  return {
    ...upcycle,
    ...(upcycle.method === 'drop' && { drop: drop ?? DROP_DEFAULTS }),
    ...(weightScaling && { weightScaling }),
    ...(gatingResidual && { gatingResidual }),
    ...(router && !isDeepStrictEqual(router, ROUTER_DEFAULTS) && { router }),
    ...(ffnRouting && ffnRouting !== 'top-k' && { ffnRouting }),
  };
}

/** How the routers of a mixture of so many experts send tokens. What is as usual is left out, so that it does not show in the stage's key. */
export function plannedRouting(
  { ffnRouting, ffnTopK, attentionTopK, router, zeroComputation, gatingResidual }: UpcycleConfig,
  experts: number,
): Omit<MixtureArchitecture, 'experts' | 'gate' | 'attention'> {
  const { normalizeLogits, balanceBias, noise } = router ?? {};
  const changes = {
    ...(normalizeLogits && { normalizeLogits }),
    ...(balanceBias && { balanceBias }),
    ...(noise && { noise }),
  };
  return {
    ffnTopK: ffnRouting === 'soft' ? experts : ffnTopK,
    ...(ffnRouting && ffnRouting !== 'top-k' && { ffnRouting }),
    ...(attentionTopK && { attentionTopK }),
    ...(Object.keys(changes).length && { router: changes }),
    ...(zeroComputation && { zeroComputation }),
    ...(gatingResidual && { gatingResidual }),
  };
}

/** Zero-computation experts in words: `1 zero, 1 copy, 2 constant, tau 0.75`. */
export function describeZeroComputation(kinds: ZeroComputation): string {
  const counts = [...ZERO_COMPUTATION_KINDS].reverse().filter((kind) => kinds[kind]);
  const capacity = kinds.capacity === undefined ? [] : [`capacity ${kinds.capacity}`];
  return [...counts.map((kind) => `${kinds[kind]} ${kind}`), `tau ${kinds.tau}`, ...capacity].join(', ');
}

/** The stages that a stage starts from, in words: `law + seed x 3`, `tuned (since mixture)`. Empty where there are none. */
export function parentsText({ parents, upcycle, prune }: Pick<PlannedStage, 'parents' | 'upcycle' | 'prune'>): string {
  const [first, since] = parents;
  if (prune && since) return `${first!.name} (since ${since.name})`;
  const counts = new Map<string, number>();
  for (const { name } of parents) counts.set(name, (counts.get(name) ?? 0) + (upcycle?.copies ?? 1));
  return [...counts].map(([name, count]) => (count === 1 ? name : `${name} x ${count}`)).join(' + ');
}
