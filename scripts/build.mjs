// Bundles the programs: dist/cli.js (the `bam` command) and dist/trainer.js (the process that trains one stage).
import { build } from 'esbuild';

// Packages with native code, or that find their own files beside them, stay outside the bundle.
const external = ['vscode', 'sqlite3', '@tensorflow/*', '@huggingface/tokenizers', 'uplot', 'node-api-headers'];

await build({
  entryPoints: { cli: 'src/cli/main.ts', trainer: 'src/train/main.ts' },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: true,
  external,
  // The bundle is CommonJS; some packages inside are modules that ask for their own address.
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
