import type { ChosenPolicy } from '../../src/offload/calibrate';
import { policyNamed } from '../../src/offload/policies';
import type { Thresholds } from '../../src/offload/loading';
import type { RoutingTrace } from '../../src/offload/trace';
import type { OffloadOptions } from '../../src/serve/offloaded-experts';

/** How many layers ahead experts are loaded. */
const AHEAD = 1;

/**
 * Thresholds that want as many second experts in each precision as the paper's do of Mixtral: 34 % high, 60 % low, 6 % not at all. The gates of
 * a small mixture are flatter, so that its own thresholds, 0.6 and 0.9, would want nearly all in high precision.
 */
export function matchingThresholds({ sequences }: RoutingTrace): Thresholds {
  const first = sequences.flatMap(({ tokens }) => tokens.flatMap(({ layers }) => layers.map(({ gates }) => gates[0]!)));
  first.sort((a, b) => a - b);
  const quantile = (share: number): number => Number(first[Math.floor(share * first.length)]!.toFixed(3));
  return { t1: quantile(0.34), t2: quantile(0.94) };
}

/** A way to serve, by its name. */
export interface ServingSystem {
  name: string;
  options: OffloadOptions;
}

/** What is compared: first the controls, then each part of HOBBIT alone, then together. `mixed` was chosen with two precisions, `high` with one. */
export function servingSystems(
  budget: number,
  link: number,
  { mixed, high, thresholds }: Record<'mixed' | 'high', ChosenPolicy> & { thresholds: Thresholds },
): ServingSystem[] {
  const whole = { budget, link, high: 'float32', lowShare: 0, prefetch: 0 } as const;
  const dynamic = { ...whole, low: 'int4', lowShare: mixed.lowShare, thresholds } as const;
  const named = (name: Parameters<typeof policyNamed>[0]) => policyNamed(name, mixed.weights);
  return [
    { name: 'on demand', options: { ...whole, policy: named('on-demand') } },
    { name: 'LRU', options: { ...whole, policy: named('lru') } },
    { name: 'LFU', options: { ...whole, policy: named('lfu') } },
    { name: 'on demand + dynamic loading', options: { ...dynamic, policy: named('on-demand') } },
    { name: 'on demand + prefetch', options: { ...whole, policy: named('on-demand'), prefetch: AHEAD } },
    { name: 'cache policy', options: { ...whole, policy: policyNamed('hobbit', high.weights) } },
    { name: 'LRU + dynamic loading', options: { ...dynamic, policy: named('lru') } },
    { name: 'LRU + prefetch', options: { ...whole, policy: named('lru'), prefetch: AHEAD } },
    { name: 'cache policy + dynamic loading', options: { ...dynamic, policy: named('hobbit') } },
    { name: 'all', options: { ...dynamic, policy: named('hobbit'), prefetch: AHEAD } },
  ];
}
