import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The texts that a report carries inside. */
export interface ReportAssets {
  style: string;
  /** Defines `uPlot`, the chart library. */
  library: string;
  /** Draws the charts. */
  client: string;
}

/**
 * Reads the style and scripts of a report. They are plain browser files under media/, read at run time: so they are
 * formatted and linted as what they are, and no bundler or TypeScript loader rewrites them (a function turned into text
 * by `toString` would call helpers of the loader that a browser does not have).
 */
export function reportAssets(): ReportAssets {
  const folder = join(packageRoot(), 'media', 'report');
  const library = dirname(createRequire(__filename).resolve('uplot/dist/uPlot.iife.min.js'));
  const read = (path: string): string => readFileSync(path, 'utf8');
  return {
    style: `${read(join(library, 'uPlot.min.css'))}\n${read(join(folder, 'report.css'))}`,
    library: read(join(library, 'uPlot.iife.min.js')),
    client: read(join(folder, 'client.js')),
  };
}

/** The folder of this package: from dist/ it is one up, from src/report/ two. */
function packageRoot(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}
