/** How much more a value is than a baseline, with its sign and in percent: `-0.120 (-3.1 %)`. `format` writes what is not negative. */
export function formatDifference(value: number, baseline: number, format: (value: number) => string): string {
  const difference = value - baseline;
  if (difference === 0) return '±0';
  const sign = difference < 0 ? '-' : '+';
  const percent = baseline === 0 ? '' : ` (${sign}${Math.abs((100 * difference) / baseline).toFixed(1)} %)`;
  return `${sign}${format(Math.abs(difference))}${percent}`;
}
