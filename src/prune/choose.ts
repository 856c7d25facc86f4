/** How many experts stay, and among which they are compared. */
export interface Choice {
  /** Of a layer; with `global` on average. */
  keep: number;
  scope: 'layer' | 'global';
  /** With `global`: experts that stay in every layer, whatever their scores. */
  atLeast: number;
}

/** By layer and expert; `null` for one that was removed before. */
export type ExpertScores = readonly (readonly (number | null)[])[];

/** A layer's expert and its score. */
interface Scored {
  layer: number;
  expert: number;
  score: number;
}

/** The experts that are without tensors when those with the largest scores stay, by layer in ascending order. Of equal scores the first stays. */
export function removedByScore(scores: ExpertScores, { keep, scope, atLeast }: Choice): number[][] {
  const layers = scores.map((row, layer) =>
    row
      .flatMap((score, expert): Scored[] => (score === null ? [] : [{ layer, expert, score }]))
      .sort((a, b) => b.score - a.score),
  );
  const kept = scope === 'layer' ? layers.flatMap((row) => row.slice(0, keep)) : keptOfAll(layers, keep, atLeast);
  return scores.map((row, layer) => {
    const own = new Set(kept.filter((one) => one.layer === layer).map(({ expert }) => expert));
    return [...row.keys()].filter((expert) => !own.has(expert));
  });
}

/** The best of every layer, then the best of all others. `layers` are sorted, best first. */
function keptOfAll(layers: readonly Scored[][], keep: number, atLeast: number): Scored[] {
  const sure = layers.flatMap((row) => row.slice(0, atLeast));
  const others = layers.flatMap((row) => row.slice(atLeast)).sort((a, b) => b.score - a.score);
  return [...sure, ...others.slice(0, Math.max(0, keep * layers.length - sure.length))];
}
