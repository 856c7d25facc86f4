import { smoothCurve } from '../../src/base/curves';
import type { Curve } from './align';
import type { Series } from './series';
import type { Line } from './plot-options';

/** A line of the drawing, which belongs to the series with this label. */
export type DrawnLine = Line & Curve & { label: string };

/**
 * The lines that are drawn for some series: first the edges of bands, two each, then pale raw lines behind smoothed ones, then one line
 * for each series. `smoothing` is the span of the running mean, 0 for none.
 */
export function linesOf(series: readonly Series[], smoothing: number): DrawnLine[] {
  const isSmoothed = ({ isMarked }: Series): boolean => smoothing > 0 && !isMarked;
  const smooth = (one: Series, y: Float64Array): Float64Array => (isSmoothed(one) ? smoothCurve(y, smoothing) : y);
  return [
    ...series.flatMap((one) =>
      one.band ? [one.band.low, one.band.high].map((y) => line(one, smooth(one, y), 'edge')) : [],
    ),
    ...series.filter(isSmoothed).map((one) => line(one, one.y, 'faint')),
    ...series.map((one) => line(one, smooth(one, one.y), 'main')),
  ];
}

function line({ label, color, isMarked = false, x }: Series, y: Float64Array, role: Line['role']): DrawnLine {
  return { label, color, isMarked: isMarked && role === 'main', role, x, y };
}
