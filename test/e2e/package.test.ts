import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BamResult, assertSucceeded, outcome, TestWorkspace, TINY } from '../run/support';
import { ROOT } from './support/code-server';
import { assertAlive } from './support/smoke';
import { describeWorkbench, keepPicture } from './support/suite';
import { Workbench } from './support/workbench';

const { name, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, string>;
const VSIX = join(ROOT, 'dist', `${name}-${process.platform}-${process.arch}-${version}.vsix`);

describe('the packed extension', function () {
  this.timeout(120_000);
  let unpacked = '';
  let extension = '';
  let files: TestWorkspace;

  before(() => {
    // Outside the clone, so that nothing of the clone's node_modules can be found from there.
    unpacked = mkdtempSync(join(tmpdir(), 'bam-vsix-'));
    extension = join(unpacked, 'extension');
    rmSync(VSIX, { force: true });
    execFileSync(process.execPath, [join(ROOT, 'scripts/package.mjs')], { stdio: 'pipe' });
    execFileSync('python3', ['-m', 'zipfile', '-e', VSIX, unpacked]);
    // The trainer of the package has to find its own parts, so it takes the backend that needs no installation.
    files = new TestWorkspace(undefined, TINY.replace('seed: 3\n', 'seed: 3\nengine: { backend: wasm }\n'));
  });
  after(() => {
    files?.remove();
    rmSync(unpacked, { recursive: true, force: true });
  });

  /** Runs the packed command line in the workspace. */
  const bam = (...args: string[]): Promise<BamResult> =>
    outcome(spawn(process.execPath, [join(extension, 'bin/bam.js'), ...args], { cwd: files.root }));

  it('is smaller than 15 MB', () => {
    assert.ok(statSync(VSIX).size < 15e6, `${statSync(VSIX).size} bytes`);
  });

  it('holds what its users need and nothing of what only developers need', () => {
    const top = readdirSync(extension).filter((entry) => entry !== 'l10n' && !/^package\.nls\./.test(entry));
    const expected = ['LICENSE.txt', 'THIRD-PARTY-NOTICES.txt', 'bin', 'changelog.md', 'dist', 'media', 'package.json'];
    expected.push('readme.md', 'sbom.cdx.json');
    assert.deepEqual(top.sort(), expected);
    const programs = readdirSync(join(extension, 'dist')).filter((entry) => entry !== 'webview');
    assert.deepEqual(programs.sort(), ['cli.js', 'extension.js', 'node_modules', 'serve.js', 'trainer.js']);
    const all = readdirSync(extension, { recursive: true }).map(String);
    assert.deepEqual(
      all.filter((path) => /\.(map|ts|o|a|vsix)$|\.(test|spec)\.js$/.test(path)),
      [],
    );
  });

  it('says what it is made of: an SBOM with checksums, and the licences of all parts', () => {
    interface Part {
      name: string;
      version: string;
      hashes?: unknown[];
    }
    const sbom = JSON.parse(readFileSync(join(extension, 'sbom.cdx.json'), 'utf8')) as {
      bomFormat: string;
      components: Part[];
    };
    assert.equal(sbom.bomFormat, 'CycloneDX');
    const names = sbom.components.map((part) => part.name.split('/').at(-1)!);
    for (const part of ['tfjs', 'sqlite3', 'zod', 'yaml', 'commander', 'uplot', 'tokenizers'])
      assert.ok(names.includes(part), part);
    for (const tool of ['eslint', 'mocha', 'typescript', 'fast-check']) assert.ok(!names.includes(tool), tool);
    for (const part of sbom.components) assert.ok(part.hashes?.length, part.name);
    const notices = readFileSync(join(extension, 'THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const { name, version } of sbom.components)
      assert.ok(notices.includes(`${name.split('/').at(-1)!} ${version}`), name);
    assert.match(notices, /Apache License/);
  });

  it('holds what `bam runtime install` compiles', () => {
    const packages = join(extension, 'dist/node_modules');
    const sources = readdirSync(join(ROOT, 'node_modules/@tensorflow/tfjs-node-gpu/binding'));
    assert.deepEqual(readdirSync(join(packages, '@tensorflow/tfjs-node-gpu/binding')), sources);
    assert.ok(statSync(join(packages, 'node-api-headers/include/node_api.h')).isFile());
  });

  it('says its version', async () => {
    const result = await bam('--version');
    assert.equal(result.stdout.trim(), version);
  });

  it('plans an experiment', async () => {
    const result = await bam('plan', 'tiny.bam.yaml');
    assertSucceeded(result);
    assert.match(result.stdout, /^mixture +seed \+ sums /m);
  });

  it('trains an experiment, indexes it and writes its report', async () => {
    const result = await bam('run', 'tiny.bam.yaml');
    assertSucceeded(result);
    assert.match(result.stdout + result.stderr, /wasm/);
    assert.ok(files.outcome().averages.has('mixture'));
    assert.match(readFileSync(join(files.workspace.runsFolder, files.run, 'report.html'), 'utf8'), /uPlot/);
  });

  it('continues a text with what it trained', async () => {
    const result = await bam('generate', 'last', 'mixture', '--prompt', 'one', '--tokens', '3');
    assertSucceeded(result);
    assert.match(result.stdout, /^one/);
  });

  describeWorkbench('installed in the workbench', () => {
    let workbench: Workbench;

    before(async () => {
      workbench = await Workbench.open({ folder: files.root, vsix: VSIX });
    });
    afterEach(async function () {
      await keepPicture(this.currentTest, workbench);
    });
    after(async () => {
      await workbench?.close();
    });

    it('is active in a folder with an experiment file', async () => {
      await assertAlive(workbench);
    });
  });
});
