/** Packages with native code, or that find their own files beside them, stay outside the bundles. */
export const external = ['vscode', 'sqlite3', '@tensorflow/*', '@huggingface/tokenizers', 'uplot', 'node-api-headers'];

/** What the programs that run on Node have in common, for esbuild. */
export const node = {
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
