import type { CachePolicy, Part } from './cache';
import { passesOf } from './calibrate';
import { demandsOf, type Thresholds } from './loading';
import { ExpertScheduler, type OffloadCounts } from './scheduler';
import type { RoutingTrace, TokenRouting } from './trace';

/** What a machine needs for a model's parts, in seconds; the link in bytes a second. */
export interface SimulatedMachine {
  bandwidth: number;
  /** A layer without its FFN experts, whatever the number of tokens. */
  layerSeconds: number;
  /** One expert on one token by precision, which is the time to read its weights once. */
  expertSeconds: Record<Part, number>;
  /** What a further token costs an expert. */
  tokenSeconds: number;
}

export interface SimulatedSystem {
  slots: Record<Part, number>;
  expertBytes: Record<Part, number>;
  policy: CachePolicy;
  thresholds?: Thresholds | undefined;
  prefetch: number;
}

export interface SimulatedRun {
  prefillSeconds: number;
  prefillTokens: number;
  decodeSeconds: number;
  decodeTokens: number;
  counts: OffloadCounts;
}

/**
 * Runs a routing trace as a machine would that has a slow way to its experts: one copy after the other, none broken off, while the experts
 * that are there compute. Texts follow each other; the cache keeps what it has between them.
 */
export function simulate(trace: RoutingTrace, system: SimulatedSystem, machine: SimulatedMachine): SimulatedRun {
  const { layers } = trace;
  const scheduler = new ExpertScheduler({ ...system, layers, bandwidth: machine.bandwidth });
  const run: SimulatedRun = {
    ...{ prefillSeconds: 0, prefillTokens: 0, decodeSeconds: 0, decodeTokens: 0 },
    counts: scheduler.counts,
  };
  let now = 0;
  for (const sequence of trace.sequences) {
    scheduler.startSequence();
    for (const [i, tokens] of passesOf(sequence).entries()) {
      const before = now;
      now = pass(scheduler, tokens, { layers, now, machine, thresholds: system.thresholds });
      const isPrompt = i === 0 && sequence.prompt > 0;
      run[isPrompt ? 'prefillSeconds' : 'decodeSeconds'] += now - before;
      run[isPrompt ? 'prefillTokens' : 'decodeTokens'] += tokens.length;
    }
  }
  return run;
}

interface PassContext {
  layers: number;
  now: number;
  machine: SimulatedMachine;
  thresholds: Thresholds | undefined;
}

/** One forward pass over some tokens: gives the time behind it. */
function pass(
  scheduler: ExpertScheduler,
  tokens: readonly TokenRouting[],
  { layers, now: start, machine, thresholds }: PassContext,
): number {
  let now = start;
  scheduler.startTokens(tokens.length);
  for (let layer = 0; layer < layers; layer++) {
    now += machine.layerSeconds;
    const demands = demandsOf(
      tokens.map((token) => token.layers[layer]!),
      thresholds,
    );
    scheduler.begin(layer, demands, now);
    // A prompt wants nearly all experts of the next layer: what its last token wants is loaded ahead.
    scheduler.predict(tokens.at(-1)!.predictions[layer]!, now);
    for (let next = scheduler.next(now); next; next = scheduler.next(now)) {
      const { copy, ready } = next;
      if (ready > now) {
        now = ready;
        continue;
      }
      const { uses } = demands.find(({ expert }) => expert === copy.expert)!;
      now += machine.expertSeconds[copy.part] + (uses - 1) * machine.tokenSeconds;
      scheduler.done(copy, uses, now);
    }
  }
  return now;
}
