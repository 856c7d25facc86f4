import type { ChosenPolicy } from '../../src/offload/calibrate';
import { policyNamed } from '../../src/offload/policies';
import type { OffloadOptions } from '../../src/serve/offloaded-experts';

/** The paper's thresholds for Mixtral. */
export const THRESHOLDS = { t1: 0.6, t2: 0.9 };
/** How many layers ahead experts are loaded. */
const AHEAD = 1;

/** A way to serve, by its name. */
export interface ServingSystem {
  name: string;
  options: OffloadOptions;
}

/** What is compared: first the controls, then each part of HOBBIT alone, then together. `mixed` was chosen with two precisions, `high` with one. */
export function servingSystems(
  budget: number,
  link: number,
  { mixed, high }: Record<'mixed' | 'high', ChosenPolicy>,
): ServingSystem[] {
  const whole = { budget, link, high: 'float32', lowShare: 0, prefetch: 0 } as const;
  const dynamic = { ...whole, low: 'int4', lowShare: mixed.lowShare, thresholds: THRESHOLDS } as const;
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
