/**
 * Which of the points of a curve to draw, so that at most `maximum` are drawn and no peak is lost: of each of `maximum / 2`
 * stretches the lowest and the highest point. Returns indexes, in order.
 */
export function thinCurve(values: readonly number[], maximum: number): number[] {
  if (values.length <= maximum) return values.map((_, i) => i);
  const stretches = Math.floor(maximum / 2);
  const chosen = new Set<number>();
  for (let stretch = 0; stretch < stretches; stretch++) {
    const start = Math.floor((stretch * values.length) / stretches);
    const end = Math.floor(((stretch + 1) * values.length) / stretches);
    let low = start;
    let high = start;
    for (let i = start; i < end; i++) {
      if (values[i]! < values[low]!) low = i;
      if (values[i]! > values[high]!) high = i;
    }
    chosen.add(low).add(high);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** At most `maximum` of these items, evenly spread, the first and the last among them. */
export function spread<T>(items: readonly T[], maximum: number): T[] {
  if (items.length <= maximum) return [...items];
  return Array.from({ length: maximum }, (_, i) => items[Math.round((i * (items.length - 1)) / (maximum - 1))]!);
}

/** The items in at most `maximum` groups of neighbours, all of about the same size. */
export function groups<T>(items: readonly T[], maximum: number): T[][] {
  const count = Math.min(items.length, maximum);
  const start = (group: number): number => Math.floor((group * items.length) / count);
  return Array.from({ length: count }, (_, group) => items.slice(start(group), start(group + 1)));
}

/**
 * Running mean of a curve over both sides of each point, so that it neither lags behind a fall nor leans on the first value.
 * A neighbour's weight falls by e in `span` points. A value that is no finite number counts for nothing.
 */
export function smoothCurve(values: ArrayLike<number>, span: number): Float64Array<ArrayBuffer> {
  const keep = Math.exp(-1 / span);
  const sums = new Float64Array(values.length);
  const weights = new Float64Array(values.length);
  // Forward, each point with all before it; backward, with all behind it, so that the point itself is added once only.
  let sum = 0;
  let weight = 0;
  for (let i = 0; i < values.length; i++) {
    const counts = Number.isFinite(values[i]);
    sums[i] = sum = keep * sum + (counts ? values[i]! : 0);
    weights[i] = weight = keep * weight + (counts ? 1 : 0);
  }
  sum = weight = 0;
  for (let i = values.length - 1; i >= 0; i--) {
    const counts = Number.isFinite(values[i]);
    sums[i] = (sums[i]! + keep * sum) / (weights[i]! + keep * weight);
    sum = keep * sum + (counts ? values[i]! : 0);
    weight = keep * weight + (counts ? 1 : 0);
  }
  return sums;
}
