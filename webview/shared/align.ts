/** One curve. `x` rises; both have the same length. */
export interface Curve {
  x: Float64Array;
  y: Float64Array;
}

/** What the chart library draws: a common x axis, and for each curve a value or nothing at each of its places. */
export interface Aligned {
  x: number[];
  y: (number | null)[][];
}

/** The part of the x axis that is seen. */
export interface View {
  min: number;
  max: number;
  isLog: boolean;
  /** Columns of pixels. */
  width: number;
}

/** The first index whose x is at least `value`; the length where there is none. */
export function lowerBound(x: Float64Array, value: number): number {
  let low = 0;
  let high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index whose x is nearest to `value`; -1 for an empty curve. */
export function nearest({ x }: Curve, value: number): number {
  const at = lowerBound(x, value);
  if (at === 0 || at === x.length) return Math.min(at, x.length - 1);
  return value - x[at - 1]! < x[at]! - value ? at - 1 : at;
}

/**
 * The seen part of the curves on a common axis, and one point of each beyond both ends, so that lines run on to the edge. Few points are
 * given as they are. Of many, each column of pixels keeps the lowest and the highest value of each curve, in their order, at two fixed
 * places of the column: no peak is lost, drawing takes the same time for any number of points, and a point is off by less than a pixel.
 */
export function align(curves: readonly Curve[], view: View): Aligned {
  const ranges = curves.map(({ x }) => seen(x, view));
  const count = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  return count <= 2 * view.width ? join(curves, ranges) : inColumns(curves, ranges, view);
}

interface Range {
  from: number;
  to: number;
}

/** The points of a curve in the view and one more on both sides. */
function seen(x: Float64Array, { min, max }: View): Range {
  const from = Math.max(0, lowerBound(x, min) - 1);
  let to = lowerBound(x, max);
  while (to < x.length && x[to] === max) to++;
  return { from, to: Math.min(x.length, to + 1) };
}

function join(curves: readonly Curve[], ranges: readonly Range[]): Aligned {
  const all = new Set<number>();
  curves.forEach((curve, i) => {
    for (let at = ranges[i]!.from; at < ranges[i]!.to; at++) all.add(curve.x[at]!);
  });
  const x = [...all].sort((a, b) => a - b);
  const place = new Map(x.map((value, i) => [value, i]));
  const y = curves.map((curve, i) => {
    const values = new Array<number | null>(x.length).fill(null);
    for (let at = ranges[i]!.from; at < ranges[i]!.to; at++) {
      if (Number.isFinite(curve.y[at])) values[place.get(curve.x[at]!)!] = curve.y[at]!;
    }
    return values;
  });
  return { x, y };
}

function inColumns(curves: readonly Curve[], ranges: readonly Range[], view: View): Aligned {
  const { min, max, width } = view;
  const columns = columnsOf(view);
  const middles = Array.from({ length: 2 * width }, (_, i) => columns.startOf(i / 2 + 0.25));
  const ends = curves.flatMap(({ x }, i) => [x[ranges[i]!.from], x[ranges[i]!.to - 1]]);
  const outside = [...new Set(ends.filter((x) => x !== undefined && (x < min || x > max)) as number[])];
  const x = [...outside.filter((at) => at < min), ...middles, ...outside.filter((at) => at > max)].sort(
    (a, b) => a - b,
  );
  const first = outside.filter((at) => at < min).length;
  const place = new Map(outside.map((at) => [at, x.indexOf(at)]));
  const y = curves.map((curve, i) => {
    const values = new Array<number | null>(x.length).fill(null);
    const { from, to } = ranges[i]!;
    for (const at of [from, to - 1]) {
      const where = place.get(curve.x[at]!);
      if (where !== undefined && Number.isFinite(curve.y[at])) values[where] = curve.y[at]!;
    }
    putMinAndMax(curve, inside(curve.x, ranges[i]!, view), columns, values, first);
    return values;
  });
  return { x, y };
}

/** How columns of pixels lie on the x axis; `startOf` takes fractions, too. */
interface Columns {
  width: number;
  startOf: (column: number) => number;
  columnOf: (x: number) => number;
}

function columnsOf({ min, max, isLog, width }: View): Columns {
  const start = isLog ? Math.log(min) : min;
  const unit = ((isLog ? Math.log(max) : max) - start) / width;
  const startOf = (column: number): number => start + column * unit;
  const columnOf = (x: number): number => Math.floor((x - start) / unit);
  if (!isLog) return { width, startOf, columnOf };
  return { width, startOf: (column) => Math.exp(startOf(column)), columnOf: (x) => columnOf(Math.log(x)) };
}

/** A range without its points beyond the view. */
function inside(x: Float64Array, { from, to }: Range, { min, max }: View): Range {
  return { from: x[from]! < min ? from + 1 : from, to: x[to - 1]! > max ? to - 1 : to };
}

/** Writes the lowest and the highest value of every column to its two places, which begin at `first`. */
function putMinAndMax(
  { x, y }: Curve,
  { from, to }: Range,
  { width, startOf, columnOf }: Columns,
  values: (number | null)[],
  first: number,
): void {
  let column = -1;
  for (let at = from; at < to;) {
    // Where rounding lets both functions differ, a point goes to the later column. The last column has the view's last point, too.
    column = Math.min(width - 1, Math.max(column + 1, columnOf(x[at]!)));
    const end = column === width - 1 ? Infinity : startOf(column + 1);
    let low = -1;
    let high = -1;
    // Comparisons only: this runs over all seen points in every frame.
    do {
      const value = y[at]!;
      if (low < 0 ? Number.isFinite(value) : value < y[low]! && value > -Infinity) low = at;
      if (high < 0 ? Number.isFinite(value) : value > y[high]! && value < Infinity) high = at;
      at++;
    } while (at < to && x[at]! < end);
    if (low < 0) continue;
    values[first + 2 * column] = y[Math.min(low, high)]!;
    if (low !== high) values[first + 2 * column + 1] = y[Math.max(low, high)]!;
  }
}

/** How many times a curve runs over its whole range: about 1 for one that only falls, hundreds for noise. */
export function roughness(values: readonly (number | null)[]): number {
  let way = 0;
  let low = Infinity;
  let high = -Infinity;
  let last: number | null = null;
  for (const value of values) {
    if (value === null) continue;
    if (last !== null) way += Math.abs(value - last);
    last = value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high > low ? way / (high - low) : 0;
}
