/** How the chosen (token, expert) pairs are laid out so that every expert's rows stand together. */
export interface Dispatch {
  /** For each row in expert order, its place in (token, rank) order. A permutation of tokens x k. */
  order: Int32Array;
  /** The reverse permutation. */
  inverse: Int32Array;
  /** Rows of each expert. */
  assigned: Int32Array;
}

/** Sorts the chosen pairs by expert (stable, so a token keeps its order within an expert). `chosen` (tokens x k). */
export function dispatchByExpert(chosen: Int32Array, experts: number): Dispatch {
  const assigned = new Int32Array(experts);
  for (const expert of chosen) assigned[expert]!++;
  const next = new Int32Array(experts);
  for (let expert = 1; expert < experts; expert++) next[expert] = next[expert - 1]! + assigned[expert - 1]!;
  const order = new Int32Array(chosen.length);
  const inverse = new Int32Array(chosen.length);
  chosen.forEach((expert, pair) => {
    const row = next[expert]!++;
    order[row] = pair;
    inverse[pair] = row;
  });
  return { order, inverse, assigned };
}
