import type { Curve } from './align';
import type { Numbers } from './export';

/** The curves as columns over all their x. */
export function seriesNumbers(xLabel: string, series: readonly (Curve & { label: string })[]): Numbers {
  const x = [...new Set(series.flatMap((one) => [...one.x]))].sort((a, b) => a - b);
  const place = new Map(x.map((value, i) => [value, i]));
  const rows: (number | null)[][] = x.map((value) => [value, ...series.map(() => null)]);
  series.forEach((one, column) => {
    one.x.forEach((value, i) => {
      const y = one.y[i]!;
      rows[place.get(value)!]![column + 1] = Number.isFinite(y) ? y : null;
    });
  });
  return { header: [xLabel, ...series.map(({ label }) => label)], rows };
}
