import { deriveSeed, uniformGenerator } from '../base/random';
import { meanOf } from '../base/statistics';

/** How often the numbers are drawn again. */
export const RESAMPLES = 10_000;
/** The share of the resampled means that an interval holds. */
export const CONFIDENCE = 0.95;

/**
 * The bootstrap percentile interval of a mean (Efron and Tibshirani 1993, section 13.3): the middle 95 % of the means of 10,000 resamples
 * of the same size, drawn with replacement. The same numbers always give the same interval. `null` for fewer than two numbers.
 */
export function bootstrapInterval(values: readonly number[]): { low: number; high: number } | null {
  const n = values.length;
  if (n < 2) return null;
  const uniform = uniformGenerator(deriveSeed(n, 'bootstrap'));
  const draw = (): number => values[Math.floor(uniform() * n)]!;
  const means = Float64Array.from({ length: RESAMPLES }, () => meanOf(Array.from(values, draw))).sort();
  return { low: quantile(means, (1 - CONFIDENCE) / 2), high: quantile(means, (1 + CONFIDENCE) / 2) };
}

/** A quantile of sorted numbers, between two of them by linear interpolation (Hyndman and Fan 1996, definition 7, as numpy's default). */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}
