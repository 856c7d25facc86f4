import type { Curve } from './align';

/** One curve with its name. Names are unique in a chart. */
export interface Series extends Curve {
  label: string;
  /** One of eight colours and dashes; `null` for the colour of text, drawn thick. */
  color: number | null;
  /** Draw a mark at every point, and never smooth: few points, far apart. */
  isMarked?: boolean;
  /** The edges of a shaded band around the curve, at its places. */
  band?: { low: Float64Array; high: Float64Array };
}
