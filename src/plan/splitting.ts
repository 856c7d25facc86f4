import type { Architecture } from '../architecture/architecture';
import { deriveSeed } from '../base/random';
import { SPLIT_TOKENS, type SplitConfig } from '../config/split-schema';

/** A split with its defaults, and without what changes nothing: one expert has no routing, chance reads no text. */
export function completeSplit({ routing, tokens, ...split }: SplitConfig): SplitConfig {
  return {
    ...split,
    ...(split.experts > 1 && { routing: routing ?? 'hash' }),
    ...(split.importance !== 'random' && { tokens: tokens ?? SPLIT_TOKENS }),
  };
}

/** The model that a dense one is split into: a mixture of experts of one attention, or with one expert a narrower dense model. */
export function splitArchitecture(
  { experts, width, routing }: SplitConfig,
  dense: Architecture,
  seed: number,
): Architecture {
  const narrow = { ...dense, ffnHidden: width };
  if (experts === 1) return narrow;
  const hash = { ffnRouting: 'hash', hashSeed: deriveSeed(seed, 'hash routing') } as const;
  const mixture = { experts, ffnTopK: 1, gate: 'softmax-topk', attention: 'averaged' } as const;
  return { ...narrow, mixture: { ...mixture, ...(routing === 'hash' && hash) } };
}

/** A split in words, for people: `4 experts of 128 neurons, 64 shared, by gradient; hash routing`. */
export function describeSplit({ experts, width, shared, routing, importance }: SplitConfig): string {
  const count = experts === 1 ? 'one expert' : `${experts} experts`;
  return `${count} of ${width} neurons, ${shared} shared, by ${importance}${routing ? `; ${routing} routing` : ''}`;
}
