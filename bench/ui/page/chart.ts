// The page that bench/ui/chart.ts measures: the dashboard's own chart with many points.
import '../../../webview/shared/theme.css';
import { Chart } from '../../../webview/shared/chart';
import type { Series } from '../../../webview/shared/series';
import type { ChartTimes } from '../chart-times';

const FRAMES = 120;

/** A falling, noisy curve, the same each time. */
function curve(index: number, points: number): Series {
  const x = Float64Array.from({ length: points }, (_, i) => i + 1);
  const y = x.map((step) => index / 4 + 8 / Math.log(step + 2) + Math.sin(step * 12.9898 + index) / 4);
  return { label: `series ${index}`, color: index, x, y };
}

const nextFrame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));

async function untilShown(chart: Chart): Promise<void> {
  while (!chart.root.querySelector('canvas')) await nextFrame();
  // One frame draws it; when the next begins, it is on the screen.
  await nextFrame();
  await nextFrame();
}

async function measure(count: number, points: number, smoothing: number): Promise<ChartTimes> {
  const series = Array.from({ length: count }, (_, index) => curve(index, points));
  await nextFrame();
  const start = performance.now();
  const chart = new Chart();
  document.body.replaceChildren(chart.root);
  const format = (value: number): string => value.toPrecision(4);
  const look = { xLabel: 'steps', formatX: String, formatY: format, isLogX: false, isLogY: false };
  chart.draw(series, { name: 'bench', ...look, smoothing });
  await untilShown(chart);
  const openMilliseconds = performance.now() - start;
  let last = await nextFrame();
  const begun = last;
  let longestFrameMilliseconds = 0;
  for (let frame = 0; frame < FRAMES; frame++) {
    // Half of all points are seen at once and move by a tenth of the picture in twelve frames.
    const min = (points / 2) * (frame / FRAMES);
    chart.setRange({ min, max: min + points / 2 });
    const now = await nextFrame();
    longestFrameMilliseconds = Math.max(longestFrameMilliseconds, now - last);
    last = now;
  }
  return { openMilliseconds, framesPerSecond: (1000 * FRAMES) / (last - begun), longestFrameMilliseconds };
}

Object.assign(window, { measure });
