// Bundles the programs: dist/cli.js (the `bam` command), dist/trainer.js (the process that trains one stage), dist/extension.js, and the
// pages of the extension's panels, dist/webview/*.
import { build } from 'esbuild';

// Packages with native code, or that find their own files beside them, stay outside the bundle.
const external = ['vscode', 'sqlite3', '@tensorflow/*', '@huggingface/tokenizers', 'uplot', 'node-api-headers'];

/** What the programs that run on Node have in common. */
const node = {
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: true,
  // The bundle is CommonJS; some packages inside are modules that ask for their own address.
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
};

await build({ ...node, entryPoints: { cli: 'src/cli/main.ts', trainer: 'src/train/main.ts' }, external });

await build({
  ...node,
  entryPoints: { extension: 'src/extension/main.ts' },
  external: ['vscode', 'sqlite3'],
  // The editor reads it at every start; names stay, for errors and their stacks.
  minifyWhitespace: true,
  minifySyntax: true,
});

const pages = ['dashboard', 'run-table', 'compare'].map((page) => [page, `webview/${page}/main.ts`]);
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
