import type { RouterKind } from '../base/router-words';
import type { Routing } from '../events/event';
import type { RouterOutput } from '../model/routing';

/** Tokens of a domain whose choices are kept, to be compared with those of the next evaluation. */
const MAXIMUM_FOLLOWED = 4096;

/** Sums over tokens from which a router's statistics follow, so that batches can be added up. */
interface RouterSums {
  layer: number;
  router: RouterKind;
  removed?: readonly number[];
  ffnExperts?: number;
  tokens: number;
  /** Assignments to each expert: tokens sent to it, or with soft routing tokens whose largest gate it was. */
  assigned: number[];
  gates: number[];
  entropy: number;
  /** For every pair of experts: tokens that were sent to both, or the sum of the products of their gates. */
  pairs: number[];
  /** 1 where a token chose an expert, (tokens x experts), batch by batch. */
  choices: Uint8Array[];
}

/** What a router decided for a batch, on the host. */
export interface RouterNumbers {
  layer: number;
  router: RouterKind;
  experts: number;
  /** Experts that were removed. */
  removed?: readonly number[];
  /** Where there are zero-computation experts: how many, from the first, have an FFN. */
  ffnExperts?: number;
  /** (tokens x experts) */
  probabilities: Float32Array;
  /** Of a router that chooses: how many tokens each expert got. */
  assigned?: Float32Array;
  /** Of a router that chooses, where choices are followed: 1 where the token was sent to the expert, (tokens x experts). */
  chosen?: Float32Array;
}

/** Which experts the first tokens of a text chose, by router. */
export type RouterChoices = ReadonlyMap<string, readonly Uint8Array[]>;

/** Adds up what routers did over batches. */
export class RoutingStatistics {
  private readonly sums = new Map<string, RouterSums>();

  /** With `followsChoices`, also which experts tokens have together, and which tokens choose as in an earlier evaluation. */
  constructor(readonly followsChoices = false) {}

  /** Adds one batch. Reads the routers' decisions from the device. */
  add(routers: readonly RouterOutput[]): void {
    for (const { layer, router, probabilities, assigned, chosen, removed, zeroComputation } of routers) {
      this.addNumbers({
        layer,
        router,
        experts: probabilities.shape[1],
        ...(removed && { removed }),
        ...(zeroComputation && { ffnExperts: zeroComputation.ffnExperts }),
        probabilities: probabilities.dataSync<'float32'>(),
        ...(assigned && { assigned: assigned.dataSync<'float32'>() }),
        ...(this.followsChoices && chosen && { chosen: chosen.dataSync<'float32'>() }),
      });
    }
  }

  /** Adds what one router decided for a batch. */
  addNumbers({ layer, router, experts, removed, ffnExperts, probabilities, assigned, chosen }: RouterNumbers): void {
    const id = `${layer} ${router}`;
    const empty = (length = experts): number[] => new Array<number>(length).fill(0);
    const nothing = { tokens: 0, assigned: empty(), gates: empty(), entropy: 0, choices: [] };
    const head = { layer, router, ...(removed && { removed }), ...(ffnExperts && { ffnExperts }) };
    const sums = this.sums.get(id) ?? { ...head, ...nothing, pairs: empty((experts * (experts - 1)) / 2) };
    this.sums.set(id, sums);
    if (this.followsChoices) addChoices(sums, probabilities, chosen);
    const first = addTokens(sums, probabilities);
    (assigned ?? first).forEach((count, expert) => (sums.assigned[expert]! += count));
  }

  /** What the routers chose; empty unless choices are followed. */
  choices(): RouterChoices {
    return new Map([...this.sums].map(([id, { choices }]) => [id, choices]));
  }

  /** The statistics of everything added, router by router in the order of the forward pass; `before` has earlier choices for the same text. */
  summarize(before?: RouterChoices): Routing[] {
    return [...this.sums].map(([id, sums]) => {
      const { layer, router, removed, ffnExperts, tokens, assigned, gates, entropy, pairs, choices } = sums;
      const total = assigned.reduce((sum, count) => sum + count, 0);
      const load = assigned.map((count) => count / total);
      const earlier = before?.get(id);
      return {
        layer,
        router,
        load,
        meanGate: gates.map((gate) => gate / tokens),
        entropy: entropy / tokens,
        maxViolation: Math.max(...load) * (load.length - (removed?.length ?? 0)) - 1,
        deadExperts: assigned.filter((count, expert) => count === 0 && !removed?.includes(expert)).length,
        ...(removed && { removed: [...removed] }),
        ...(ffnExperts && {
          ffnPerToken:
            assigned.slice(0, ffnExperts).reduce((sum, count, i) => sum + (removed?.includes(i) ? 0 : count), 0) /
            tokens,
        }),
        // Four digits, since there are many of them in every evaluation.
        ...(pairs.some((sum) => sum > 0) && {
          coActivation: pairs.map((sum) => Number((sum / tokens).toPrecision(4))),
        }),
        ...(earlier && { saturation: shareKept(earlier, choices) }),
      };
    });
  }
}

/** Adds all but the assignments. Returns for each expert the number of tokens whose largest gate it is. */
function addTokens(sums: RouterSums, probabilities: Float32Array): number[] {
  const experts = sums.gates.length;
  const first = new Array<number>(experts).fill(0);
  for (let at = 0; at < probabilities.length; at += experts) {
    for (let expert = 0; expert < experts; expert++) {
      const gate = probabilities[at + expert]!;
      sums.gates[expert]! += gate;
      if (gate > 0) sums.entropy -= gate * Math.log(gate);
    }
    first[largest(probabilities, at, experts)]!++;
    sums.tokens++;
  }
  return first;
}

/** The expert with the largest gate of the token whose gates begin at `at`. */
function largest(probabilities: Float32Array, at: number, experts: number): number {
  let best = 0;
  for (let expert = 1; expert < experts; expert++) {
    if (probabilities[at + expert]! > probabilities[at + best]!) best = expert;
  }
  return best;
}

/** Adds up which experts tokens have together, and keeps the choices of the first tokens. */
function addChoices(sums: RouterSums, probabilities: Float32Array, chosen: Float32Array | undefined): void {
  const experts = sums.gates.length;
  const weights = chosen ?? probabilities;
  for (let at = 0; at < weights.length; at += experts) {
    let pair = 0;
    for (let one = 0; one < experts; one++) {
      for (let other = one + 1; other < experts; other++) {
        sums.pairs[pair++]! += weights[at + one]! * weights[at + other]!;
      }
    }
  }
  const followed = Math.min(weights.length, (MAXIMUM_FOLLOWED - sums.tokens) * experts);
  if (followed <= 0) return;
  if (chosen) return void sums.choices.push(Uint8Array.from(chosen.subarray(0, followed)));
  const choices = new Uint8Array(followed);
  for (let at = 0; at < followed; at += experts) choices[at + largest(probabilities, at, experts)] = 1;
  sums.choices.push(choices);
}

/** The share of the choices that were made before too. */
function shareKept(before: readonly Uint8Array[], now: readonly Uint8Array[]): number {
  let kept = 0;
  let all = 0;
  now.forEach((choices, batch) =>
    choices.forEach((isChosen, i) => {
      all += isChosen;
      kept += isChosen & before[batch]![i]!;
    }),
  );
  return kept / all;
}
