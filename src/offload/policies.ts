import { BamError } from '../base/errors';
import type { CachePolicyName } from '../base/offload-words';
import type { CachePolicy, Part, PolicyWeights } from './cache';

const ONLY: Record<'lru' | 'lfu', PolicyWeights> = {
  lru: { lru: 1, lfu: 0, lhu: 0, fld: 0 },
  lfu: { lru: 0, lfu: 1, lhu: 0, fld: 0 },
};

/**
 * A policy by its name. `lru` and `lfu` remember all texts, as caches do that know of none; `on-demand` keeps nothing. The weights are those of
 * `hobbit`, which forgets with every text.
 */
export function policyNamed(name: CachePolicyName, weights: PolicyWeights): CachePolicy {
  if (name === 'hobbit') return { weights, perSequence: true, keeps: true };
  if (name === 'on-demand') return { weights: ONLY.lru, perSequence: false, keeps: false };
  return { weights: ONLY[name], perSequence: false, keeps: true };
}

/** The bytes that experts may take, and what one takes in each precision. `lowShare` of the budget is for the low one. */
export interface Budget {
  bytes: number;
  expertBytes: Record<Part, number>;
  /** 0 where no expert is ever wanted in low precision. */
  lowShare: number;
}

/**
 * How many experts of each precision a budget holds. Throws a `BamError` (`budget`) where that is not one at least of each that is wanted.
 */
export function slotsOf(budget: Budget): Record<Part, number> {
  const slots = slotsWithin(budget);
  if (slots) return slots;
  const { bytes, expertBytes, lowShare } = budget;
  const least = expertBytes.high + (lowShare > 0 ? expertBytes.low : 0);
  throw new BamError(`The budget for experts should be ${least} bytes at least, found ${bytes}.`, {
    reason: 'budget',
    advice: `One expert has ${expertBytes.high} bytes${lowShare > 0 ? `, and ${expertBytes.low} in low precision` : ''}: raise the budget.`,
  });
}

/** The same, or `undefined` where a budget holds too little. */
export function slotsWithin({ bytes, expertBytes, lowShare }: Budget): Record<Part, number> | undefined {
  const low = lowShare > 0 ? Math.max(1, Math.floor((bytes * lowShare) / expertBytes.low)) : 0;
  const high = Math.floor((bytes - low * expertBytes.low) / expertBytes.high);
  return high >= 1 ? { high, low } : undefined;
}
