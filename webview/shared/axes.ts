/** Round numbers (1, 2, 5 times a power of ten) in the range of a logarithmic axis; all digits where these are few. At most eight. */
export function logSplits(low: number, high: number): number[] {
  const from = Math.floor(Math.log10(low));
  const powers = Array.from({ length: Math.ceil(Math.log10(high)) - from + 1 }, (_, i) => 10 ** (from + i));
  const within = (digits: readonly number[]): number[] =>
    powers
      .flatMap((power) => digits.map((digit) => digit * power))
      .filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
  const tenths = Array.from({ length: 90 }, (_, i) => 1 + i / 10);
  const candidates = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9], tenths].map(within);
  const splits = candidates.find((some) => some.length >= 3) ?? [low, high];
  const every = Math.ceil(splits.length / 8);
  return splits.filter((_, i) => i % every === 0);
}

/** A number beside an axis: four digits, as few characters as it takes. */
export function formatPlain(value: number): string {
  return String(Number(value.toPrecision(4)));
}
