// Bundles the programs: dist/cli.js (the `bam` command), dist/trainer.js (the process that trains one stage), dist/serve.js (the one that
// continues texts), dist/extension.js, and the
// pages of the extension's panels, dist/webview/*.
import { build } from 'esbuild';
import { external, node } from './build-options.mjs';

const outdir = 'dist';

const entryPoints = { cli: 'src/cli/main.ts', trainer: 'src/train/main.ts', serve: 'src/serve/main.ts' };
await build({ ...node, outdir, external, entryPoints });

await build({
  ...node,
  outdir,
  entryPoints: { extension: 'src/extension/main.ts' },
  external: ['vscode', 'sqlite3'],
  // The editor reads it at every start; names stay, for errors and their stacks.
  minifyWhitespace: true,
  minifySyntax: true,
});

const pages = ['dashboard', 'run-table', 'compare', 'explorer'].map((page) => [page, `webview/${page}/main.ts`]);
await build({
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
