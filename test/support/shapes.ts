import { type Architecture, headSize } from '../../src/architecture/architecture';
import { uniformGenerator } from '../../src/base/random';
import { asMixture } from './engine';

/** A mixture, and how many sequences to try it on. */
export interface Shape {
  batch: number;
  mixture: Architecture;
}

/** Random mixtures with a batch size each, the same ones in every run. */
export function randomShapes(count: number, seed = 20240814): Shape[] {
  const uniform = uniformGenerator(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(uniform() * values.length)]!;
  return Array.from({ length: count }, () => {
    const [heads, kvHeads] = pick([
      [2, 1],
      [2, 2],
      [3, 1],
      [4, 2],
      [4, 4],
      [6, 2],
    ] as const);
    const experts = pick([2, 3, 4, 5]);
    const dense: Architecture = {
      layers: pick([1, 2, 3]),
      width: heads * pick([2, 4, 6]),
      heads,
      kvHeads,
      ffnHidden: pick([5, 12]),
      context: pick([1, 3, 8, 11]),
      vocabulary: pick([7, 30]),
      tiedEmbeddings: pick([true, false]),
      ropeBase: 100,
      normEpsilon: 1e-5,
    };
    const ffnTopK = 1 + Math.floor(uniform() * experts);
    return { batch: pick([1, 2, 3]), mixture: asMixture(dense, { experts, ffnTopK }) };
  });
}

/** A shape in words, for the title of a test. */
export function describeShape({ batch, mixture }: Shape): string {
  const { layers, heads, kvHeads, context } = mixture;
  const { experts, ffnTopK } = mixture.mixture!;
  const size = headSize(mixture);
  return `${layers} layers, ${heads}/${kvHeads} heads of ${size}, ${batch} x ${context} tokens, ${experts} experts, top ${ffnTopK}`;
}
