import type { LayerRouting } from './trace';

/** In which precision an expert is wanted where it is not in memory, or that it is left out. */
export type Wanted = 'high' | 'low' | 'skip';

/** Between which a chosen expert is loaded in low precision; beyond `t2` it is not loaded. */
export interface Thresholds {
  t1: number;
  t2: number;
}

/**
 * How each chosen expert of a token is wanted (HOBBIT, arXiv 2411.01433, token-level dynamic loading). `gates` with the largest first. An expert's
 * unimportance is the sum of the gates before it, of gates that sum to 1: 0 for the first, which is always wanted in high precision.
 * Without thresholds all are.
 */
export function wantedPrecisions(gates: readonly number[], thresholds: Thresholds | undefined): Wanted[] {
  if (!thresholds) return gates.map(() => 'high');
  const all = gates.reduce((sum, gate) => sum + gate, 0);
  let before = 0;
  return gates.map((gate, i) => {
    const unimportance = i ? before / all : 0;
    before += gate;
    return unimportance <= thresholds.t1 ? 'high' : unimportance <= thresholds.t2 ? 'low' : 'skip';
  });
}

/**
 * The gates of a token's experts when some are left out: 0 for those, and the others scaled so that their sum stays what it was. The paper
 * does not say what becomes of them.
 */
export function gatesWithout(gates: readonly number[], isLeftOut: (i: number) => boolean): number[] {
  const sum = (of: readonly number[]): number => of.reduce((total, gate) => total + gate, 0);
  const kept = gates.map((gate, i) => (isLeftOut(i) ? 0 : gate));
  const rest = sum(kept);
  return rest > 0 ? kept.map((gate) => (gate * sum(gates)) / rest) : kept;
}

/** An expert that some tokens of a layer were sent to. */
export interface Demand {
  expert: number;
  wanted: Wanted;
  /** How many tokens. */
  uses: number;
}

const RANK: Record<Wanted, number> = { high: 2, low: 1, skip: 0 };

/** The experts that the tokens of a layer want, in the order in which they come up: each in the highest precision that a token wants it in. */
export function demandsOf(tokens: readonly LayerRouting[], thresholds: Thresholds | undefined): Demand[] {
  const demands = new Map<number, Demand>();
  for (const { experts, gates } of tokens) {
    const wanted = wantedPrecisions(gates, thresholds);
    experts.forEach((expert, i) => {
      const known = demands.get(expert) ?? { expert, wanted: 'skip', uses: 0 };
      const highest = RANK[wanted[i]!] > RANK[known.wanted] ? wanted[i]! : known.wanted;
      demands.set(expert, { expert, wanted: highest, uses: known.uses + 1 });
    });
  }
  return [...demands.values()];
}
