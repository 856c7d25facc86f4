/** Mean and spread of some numbers. */
export interface Summary {
  mean: number;
  /** Sample standard deviation (divided by n - 1); `null` for a single number. */
  deviation: number | null;
  n: number;
}

/** The summary of some numbers; `null` for none. */
export function summarize(values: readonly number[]): Summary | null {
  const n = values.length;
  if (!n) return null;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null, n };
}

/** The mean of at least one number. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A summary as `5.432 ± 0.012 (3)`; a single number has no spread, and `(1)` behind it. */
export function formatSummary({ mean, deviation, n }: Summary, format: (value: number) => string): string {
  return `${format(mean)}${deviation === null ? '' : ` ± ${format(deviation)}`} (${n})`;
}
