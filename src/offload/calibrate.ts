import type { CachePolicy, PolicyWeights } from './cache';
import { demandsOf, type Thresholds } from './loading';
import { type Budget, policyNamed, slotsOf, slotsWithin } from './policies';
import { ExpertScheduler, type OffloadCounts } from './scheduler';
import type { RoutingTrace, TracedSequence } from './trace';

export interface ReplayOptions {
  budget: Budget;
  policy: CachePolicy;
  thresholds?: Thresholds | undefined;
}

/** What a cache would have counted for a trace, if nothing is loaded ahead: hits, misses and their penalty do not depend on time then. */
export function replay(trace: RoutingTrace, { budget, policy, thresholds }: ReplayOptions): OffloadCounts {
  const { layers } = trace;
  const { expertBytes } = budget;
  const options = { layers, slots: slotsOf(budget), expertBytes, policy, thresholds, prefetch: 0, bandwidth: Infinity };
  const scheduler = new ExpertScheduler(options);
  for (const sequence of trace.sequences) {
    scheduler.startSequence();
    for (const tokens of passesOf(sequence)) {
      scheduler.startTokens(tokens.length);
      for (let layer = 0; layer < layers; layer++) {
        const demands = demandsOf(
          tokens.map((token) => token.layers[layer]!),
          thresholds,
        );
        scheduler.begin(layer, demands, 0);
        for (let next = scheduler.next(0); next; next = scheduler.next(0)) {
          const { expert } = next.copy;
          scheduler.done(next.copy, demands.find((demand) => demand.expert === expert)!.uses, 0);
        }
      }
    }
  }
  return scheduler.counts;
}

/** The tokens of a text by forward pass: its prompt, then one by one. */
export function passesOf({ prompt, tokens }: TracedSequence) {
  return [...(prompt ? [tokens.slice(0, prompt)] : []), ...tokens.slice(prompt).map((token) => [token])];
}

/** The weights that sum to 1 and are multiples of a step. */
export function weightGrid(step: number): PolicyWeights[] {
  const parts = Math.round(1 / step);
  const grid: PolicyWeights[] = [];
  for (let lru = 0; lru <= parts; lru++) {
    for (let lfu = 0; lru + lfu <= parts; lfu++) {
      for (let lhu = 0; lru + lfu + lhu <= parts; lhu++) {
        const fld = parts - lru - lfu - lhu;
        grid.push({ lru: lru / parts, lfu: lfu / parts, lhu: lhu / parts, fld: fld / parts });
      }
    }
  }
  return grid;
}

/** Shares of the budget for low precision that are tried: the high part is the larger one. */
const LOW_SHARES = [0.1, 0.2, 0.3, 0.4];

/** The best policy of those that were tried, and the penalty that it has on the trace. */
export interface ChosenPolicy {
  weights: PolicyWeights;
  lowShare: number;
  penalty: number;
}

/**
 * The weights of the `hobbit` policy, and with thresholds the share of the budget for low precision, that have the least penalty on a trace (HOBBIT, arXiv
 * 2411.01433: the weights are chosen on a calibration set). Of equals the first in the order of `weightGrid`, latest use last. Throws as `slotsOf` does.
 */
export function choosePolicy(
  trace: RoutingTrace,
  {
    budget,
    thresholds,
    step = 0.25,
  }: { budget: Omit<Budget, 'lowShare'>; thresholds?: Thresholds | undefined; step?: number },
): ChosenPolicy {
  let best: ChosenPolicy | undefined;
  const shares = thresholds ? LOW_SHARES : [0];
  // The first share says what is wrong where none fits.
  slotsOf({ ...budget, lowShare: shares[0]! });
  for (const lowShare of shares.filter((share) => slotsWithin({ ...budget, lowShare: share }))) {
    for (const weights of weightGrid(step)) {
      const policy = policyNamed('hobbit', weights);
      const { penalty } = replay(trace, { budget: { ...budget, lowShare }, policy, thresholds });
      if (!best || penalty < best.penalty) best = { weights, lowShare, penalty };
    }
  }
  return best!;
}
