import type { Series } from './series';
import type { Numbers } from './export';

/** The curves as columns over all their x; a band's edges are columns beside its curve. */
export function seriesNumbers(xLabel: string, all: readonly Pick<Series, 'label' | 'x' | 'y' | 'band'>[]): Numbers {
  const series = all.flatMap(({ label, x, y, band }) => [
    { label, x, y },
    ...Object.entries(band ?? {}).map(([edge, values]) => ({ label: `${label} ${edge}`, x, y: values })),
  ]);
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
