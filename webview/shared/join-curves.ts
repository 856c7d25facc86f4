import type { Curve } from './align';
import type { Series } from './series';

/** A curve whose points are known by their steps. */
export interface SteppedCurve extends Curve {
  steps: ArrayLike<number>;
}

/** The mean of several curves, with the lowest and the highest of them at every point. */
export interface JoinedCurve extends Curve {
  low: Float64Array;
  high: Float64Array;
}

/**
 * Joins the curves of seeds at the steps of the longest one. At every step stands the mean, in x too (times differ), of the curves that
 * got so far; values that are no numbers count for nothing.
 */
export function joinCurves(curves: readonly SteppedCurve[]): JoinedCurve {
  const longest = curves.reduce((a, b) => (b.steps.length > a.steps.length ? b : a));
  const size = longest.steps.length;
  const [x, y, low, high] = [
    new Float64Array(size),
    new Float64Array(size),
    new Float64Array(size),
    new Float64Array(size),
  ];
  low.fill(Infinity);
  high.fill(-Infinity);
  const reached = new Uint32Array(size);
  const counted = new Uint32Array(size);
  for (const curve of curves) {
    for (let at = 0, i = 0; at < curve.steps.length && i < size;) {
      const ahead = curve.steps[at]! - longest.steps[i]!;
      if (ahead === 0) {
        x[i]! += curve.x[at]!;
        reached[i]!++;
        const value = curve.y[at]!;
        if (Number.isFinite(value)) {
          y[i]! += value;
          counted[i]!++;
          low[i] = Math.min(low[i]!, value);
          high[i] = Math.max(high[i]!, value);
        }
      }
      if (ahead <= 0) at++;
      if (ahead >= 0) i++;
    }
  }
  for (let i = 0; i < size; i++) {
    x[i]! /= reached[i]!;
    // Without any number this is none, too: 0 / 0.
    y[i]! /= counted[i]!;
  }
  return { x, y, low, high };
}

/** One series for the curves of stages that differ in their seed only: of several, their mean in a band from the lowest to the highest. None for no curve. */
export function seriesOf(curves: readonly SteppedCurve[], look: Omit<Series, 'x' | 'y' | 'band'>): Series[] {
  const first = curves[0];
  if (!first) return [];
  if (curves.length === 1) return [{ ...look, x: first.x, y: first.y }];
  const { x, y, low, high } = joinCurves(curves);
  return [{ ...look, x, y, band: { low, high } }];
}
