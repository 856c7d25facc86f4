// Packs the extension: dist/bam-studio-<platform>-<version>.vsix, with the packages that its programs load and nothing else of them.
import { build } from 'esbuild';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVSIX } from '@vscode/vsce';
import { writeParts } from './parts.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What the programs in dist/ load from outside their bundles (`external` in build.mjs; src/engine says which files). */
const LOADED = [
  'sqlite3',
  '@huggingface/tokenizers',
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-backend-wasm',
  '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend',
  '@tensorflow/tfjs-node-gpu/dist/register_all_kernels',
  'node-api-headers',
];

/** What is read from packages beside code: native parts, sources that `bam runtime install` compiles, assets of a report. */
const READ = [
  'sqlite3/build/Release/node_sqlite3.node',
  '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm',
  '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
  '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm',
  '@tensorflow/tfjs-node-gpu/binding',
  'node-api-headers/include',
  'uplot/dist/uPlot.iife.min.js',
  'uplot/dist/uPlot.min.css',
];

/** The clone's own files; .vscodeignore takes out what only developers need. */
const OWN = /^(bin|dist|l10n|media|package\.nls.*\.json|README\.md|CHANGELOG\.md|LICENSE|\.vscodeignore)$/;

/** Every file that Node reads when it loads these modules, by a bundler's walk through their `require` calls. */
async function filesLoaded(modules) {
  const { metafile } = await build({
    stdin: { contents: modules.map((name) => `require('${name}');`).join('\n'), resolveDir: ROOT },
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    outdir: 'never-written',
    metafile: true,
    platform: 'node',
    mainFields: ['main'],
    loader: { '.node': 'empty' },
    logLevel: 'error',
  });
  return Object.keys(metafile.inputs).filter((path) => path.startsWith('node_modules/'));
}

/** The folder of the package that holds a file, e.g. `node_modules/a/node_modules/@b/c`. */
function packageOf(path) {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(path)[1];
}

/** A package's description, and the licence that has to go wherever its code goes. */
function papersOf(folder) {
  const names = ['package.json', 'LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license', 'LICENCE'];
  return names.map((name) => `${folder}/${name}`).filter((path) => existsSync(join(ROOT, path)));
}

/** Copies the packages' files below dist/, where Node looks first and vsce does not ask npm what they need. Gives their folders. */
async function copyPackages(stage) {
  const files = [...(await filesLoaded(LOADED)), ...READ.map((path) => `node_modules/${path}`)];
  const packages = new Set(files.map(packageOf));
  for (const path of [...files, ...[...packages].flatMap(papersOf)]) {
    cpSync(join(ROOT, path), join(stage, 'dist', path), { recursive: true });
  }
  return packages;
}

/** The manifest without what only the clone needs: npm's scripts, and packages that are inside already. */
function writeManifest(stage, manifest) {
  const { scripts: _, dependencies: __, devDependencies: ___, ...rest } = manifest;
  writeFileSync(join(stage, 'package.json'), JSON.stringify(rest, null, 2));
}

async function pack() {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const target = `${process.platform}-${process.arch}`;
  const packagePath = join(ROOT, 'dist', `${manifest.name}-${target}-${manifest.version}.vsix`);
  const stage = mkdtempSync(join(tmpdir(), 'bam-package-'));
  try {
    for (const name of readdirSync(ROOT).filter((entry) => OWN.test(entry))) {
      cpSync(join(ROOT, name), join(stage, name), { recursive: true });
    }
    const copied = await copyPackages(stage);
    const bundled = JSON.parse(readFileSync(join(ROOT, 'dist/bundled.json'), 'utf8'));
    writeParts(ROOT, stage, [...copied, ...bundled]);
    writeManifest(stage, manifest);
    // There is no repository's address yet, which links in the README could be made to point to.
    const unknown = { allowMissingRepository: true, rewriteRelativeLinks: false };
    await createVSIX({ cwd: stage, packagePath, target, dependencies: false, ...unknown });
    return packagePath;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

const path = await pack();
console.log(`${relative(ROOT, path)}: ${(statSync(path).size / 1e6).toFixed(1)} MB`);
