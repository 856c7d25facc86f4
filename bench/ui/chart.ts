// Measures the dashboard's chart in Chromium. CHROMIUM names another browser.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { ChartTimes } from './chart-times';

const SERIES = 12;
const POINTS = 100_000;
const ADDRESS = 'http://bench.invalid/';

/** Opening and panning of the chart, by how the curves are drawn. */
export async function benchChart(): Promise<Record<string, ChartTimes | number>> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'page', 'chart.ts')],
    bundle: true,
    write: false,
    outdir: 'chart',
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
  });
  const bodies = new Map(outputFiles.map(({ path, text }) => [path.replace(/^.*[\\/]/, ''), text]));
  bodies.set('', readFileSync(join(__dirname, 'chart.html'), 'utf8'));
  const types: Record<string, string> = { js: 'text/javascript', css: 'text/css' };
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1000, height: 500 } });
    await page.route(`${ADDRESS}**`, (route) => {
      const file = route.request().url().slice(ADDRESS.length);
      const contentType = types[file.split('.').at(-1)!] ?? 'text/html';
      return route.fulfill({ contentType, body: bodies.get(file) ?? '' });
    });
    await page.goto(ADDRESS);
    const measure = (smoothing: number): Promise<ChartTimes> =>
      page.evaluate(`measure(${SERIES}, ${POINTS}, ${smoothing})`);
    const cold = await measure(0);
    const warm = await measure(0);
    return { series: SERIES, points: POINTS, cold, warm, smoothed: await measure(64) };
  } finally {
    await browser.close();
  }
}
