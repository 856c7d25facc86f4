// Bundles the programs: dist/cli.js (the `bam` command), dist/trainer.js (the process that trains one stage), dist/serve.js (the one that
// continues texts), dist/extension.js, and the
// pages of the extension's panels, dist/webview/*.
import { build } from 'esbuild';
import { writeFileSync } from 'node:fs';
import { external, node } from './build-options.mjs';

const outdir = 'dist';

const entryPoints = { cli: 'src/cli/main.ts', trainer: 'src/train/main.ts', serve: 'src/serve/main.ts' };
const programs = await build({ ...node, outdir, external, entryPoints, metafile: true });

const extension = await build({
  ...node,
  outdir,
  metafile: true,
  entryPoints: { extension: 'src/extension/main.ts' },
  external: ['vscode', 'sqlite3'],
  // The editor reads it at every start; names stay, for errors and their stacks.
  minifyWhitespace: true,
  minifySyntax: true,
});

const pages = ['dashboard', 'run-table', 'compare', 'explorer'].map((page) => [page, `webview/${page}/main.ts`]);
const panels = await build({
  metafile: true,
  entryPoints: Object.fromEntries(pages),
  outdir: 'dist/webview',
  bundle: true,
  platform: 'browser',
  target: 'es2022',
  format: 'iife',
  minify: true,
  sourcemap: true,
  logLevel: 'warning',
});

// Whose code went into the bundles, for the list of parts that a package has.
const inputs = [programs, extension, panels].flatMap(({ metafile }) => Object.keys(metafile.inputs));
const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []);
writeFileSync(`${outdir}/bundled.json`, JSON.stringify([...new Set(folders)].sort(), undefined, 2));
