import type uPlot from 'uplot';
import { roughness } from './align';
import { formatPlain, logSplits } from './axes';
import { strokeOf, themeColor } from './palette';

export const HEIGHT = 240;
const FONT = '12px system-ui';
/** A line that runs over its whole range more often than this is noise. */
const ROUGH = 40;
/** Charts move their cursors together, by the value on the x axis. */
const SYNC_KEY = 'x';

/** A curve as it is drawn. */
export interface Line {
  color: number | null;
  /** A `faint` one is thin and pale, behind the others; two `edge` lines after each other, which are not drawn, bound a shaded band. */
  role: 'main' | 'faint' | 'edge';
  isMarked: boolean;
}

/** What the chart library needs to know of a chart, apart from its data. */
export interface Look {
  width: number;
  xLabel: string;
  formatX: (value: number) => string;
  isLogX: boolean;
  isLogY: boolean;
}

/** The chart library's options. `hooks` and `bind` come from the chart. */
export function plotOptions(
  look: Look,
  lines: readonly Line[],
  hooks: uPlot.Hooks.Arrays,
  bind: uPlot.Cursor.Bind,
): uPlot.Options {
  return {
    width: look.width,
    height: HEIGHT,
    legend: { show: false },
    scales: {
      // The chart sets the range itself: it gives the library the seen points only.
      x: { time: false, auto: false, distr: look.isLogX ? 3 : 1 },
      y: look.isLogY
        ? { distr: 3, range: (_, low, high) => logRange(low, high) }
        : { range: (_, low, high) => linearRange(low, high) },
    },
    axes: [
      axis(look.formatX, look.isLogX, { label: look.xLabel, size: 32, labelSize: 18, labelGap: 0, labelFont: FONT }),
      axis(formatPlain, look.isLogY, { size: 56 }),
    ],
    series: [{}, ...lines.map(seriesOptions)],
    bands: lines.flatMap(({ role, color }, i) =>
      role === 'edge' && i % 2 === 0 ? [{ series: [i + 2, i + 1], fill: shade(strokeOf(color).color, 20) }] : [],
    ),
    cursor: {
      // The chart itself tells clicks from drags: the library takes a click at the edge for a drag and stops it.
      drag: { x: true, y: false, setScale: false, click: () => undefined },
      hover: { skip: [null, undefined] },
      sync: { key: SYNC_KEY, scales: ['x', null], setSeries: false, filters: { pub: isMovement } },
      bind,
    },
    hooks,
  };
}

/** Only movement goes to other charts, not the drag that zooms one. */
function isMovement(type: string): boolean {
  return type === 'mousemove' || type === 'mouseleave';
}

/** Some room above and below; a flat curve gets a range of its own size. */
function linearRange(low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? 0.05 * (high - low) : Math.abs(high) / 10 || 1;
  // What is never negative has its zero at the bottom.
  return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
}

function logRange(low: number, high: number): uPlot.Range.MinMax {
  // Without any data the library asks with nulls.
  return low > 0 && high > 0 ? [low / 1.05, high * 1.05] : [1, 10];
}

function shade(color: string, percent: number): string {
  return `color-mix(in srgb, ${color} ${percent}%, transparent)`;
}

function seriesOptions({ color, role, isMarked }: Line): uPlot.Series {
  const { color: stroke } = strokeOf(color);
  return {
    stroke: role === 'faint' ? shade(stroke, 35) : stroke,
    spanGaps: true,
    points: { show: isMarked, size: 5, fill: stroke },
  };
}

/**
 * How a line with these values is drawn. Noise gets a thin line without dashes: they could not be seen in it, and drawing them took 100
 * times as long. Smoothing or zooming in brings them back.
 */
export function penOf({ color, role }: Line, values: readonly (number | null)[]): { width: number; dash: number[] } {
  if (role === 'edge') return { width: 0, dash: [] };
  if (role === 'faint' || roughness(values) > ROUGH) return { width: 1, dash: [] };
  return { width: color === null ? 3 : 2, dash: strokeOf(color).dash };
}

function axis(format: (value: number) => string, isLog: boolean, more: uPlot.Axis): uPlot.Axis {
  const lines = { stroke: themeColor('--grid'), width: 1 };
  const splits: Partial<uPlot.Axis> = isLog
    ? { splits: (_, __, low, high) => logSplits(low, high), filter: (_, all) => all }
    : {};
  const values = (_: uPlot, all: number[]): string[] => all.map((value) => format(value));
  return { stroke: themeColor('--text'), grid: lines, ticks: lines, font: FONT, values, ...splits, ...more };
}
