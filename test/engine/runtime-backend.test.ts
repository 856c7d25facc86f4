import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { normalValues } from '../../src/base/random';
import { runtimeInfo, startBackend } from '../../src/engine/backend';
import { folderBytes, formatBytes, runtimeFolder, runtimePlace } from '../../src/engine/runtime/folder';
import { describeInstall } from '../../src/engine/runtime/install';
import { installedRuntime } from '../../src/engine/runtime/installed';

const environment = { ...process.env };

function restoreEnvironment(): void {
  for (const name of ['BAM_RUNTIME_FOLDER', 'XDG_CACHE_HOME', 'TF_NUM_INTRAOP_THREADS'])
    Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, environment);
}

/** A product of (5, 33) and (33, 7) matrices by plain loops. */
function plainProduct(a: Float32Array, b: Float32Array): number[] {
  return Array.from({ length: 35 }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 33; k++) sum += a[Math.floor(i / 7) * 33 + k]! * b[k * 7 + (i % 7)]!;
    return sum;
  });
}

function assertMultiplies(): void {
  const [a, b] = [normalValues(1, 5 * 33, 1), normalValues(2, 33 * 7, 1)];
  const product = tf.tidy(() => tf.matMul(tf.tensor2d(a, [5, 33]), tf.tensor2d(b, [33, 7])).dataSync());
  plainProduct(a, b).forEach((expected, i) => assert.ok(Math.abs(product[i]! - expected) < 1e-4));
}

describe('the backend', () => {
  afterEach(restoreEnvironment);

  describe('with the native runtime installed', () => {
    before(function () {
      if (!installedRuntime()) this.skip();
    });

    it('is native when it may choose, and multiplies correctly', async () => {
      process.env.TF_NUM_INTRAOP_THREADS = '2';
      const backend = await startBackend('auto');
      assert.equal(backend.kind, 'native');
      assert.equal(backend.fellBackBecause, undefined);
      assert.match(backend.description, /^native TensorFlow 2\.21\.0, [CG]PU, 2 threads$/);
      assert.equal(tf.getBackend(), 'tensorflow');
      assertMultiplies();
    });

    it('is described by `bam runtime info`', async () => {
      const info = await runtimeInfo();
      assert.equal(info.problem, undefined);
      assert.equal(info.native?.version, '2.21.0');
      assert.equal(info.installed?.folder, join(info.folder, info.installed!.variant));
      assert.ok(info.installed!.bytes > 5e8 && info.installed!.bytes <= folderBytes(info.installed!.folder));
    });
  });

  it('is wasm when asked for, and multiplies the same', async () => {
    const backend = await startBackend('wasm');
    assert.deepEqual([backend.kind, backend.device, backend.threads], ['wasm', 'cpu', 1]);
    assert.equal(tf.getBackend(), 'wasm');
    assertMultiplies();
  });

  describe('without a native runtime', () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'bam-backend-'));
      process.env.BAM_RUNTIME_FOLDER = folder;
    });
    afterEach(() => rmSync(folder, { recursive: true, force: true }));

    it('falls back to wasm and says why', async () => {
      const backend = await startBackend('auto');
      assert.equal(backend.kind, 'wasm');
      assert.match(backend.fellBackBecause!, /not installed.*bam runtime install/);
      assert.equal(tf.getBackend(), 'wasm');
    });

    it('refuses the choice `native` with advice', async () => {
      await assert.rejects(startBackend('native'), { reason: 'not-installed', advice: /bam runtime install/ });
      assert.match((await runtimeInfo()).problem!, /not installed/);
    });

    it('falls back when what is installed does not load, and refuses `native`', async () => {
      writeBrokenRuntime();
      const backend = await startBackend('auto');
      assert.equal(backend.kind, 'wasm');
      assert.match(backend.fellBackBecause!, /does not load/);
      await assert.rejects(startBackend('native'), { reason: 'native-failed', advice: /bam runtime remove/ });
      const info = await runtimeInfo();
      assert.equal(info.native, undefined);
      assert.match(info.problem!, /does not work on this machine/);
    });
  });

  it('loads no tfjs before it is started', () => {
    const script = `require('tsx/cjs'); require('./src/engine/backend'); require('./src/engine/runtime/install');
      console.log(Object.keys(require.cache).filter((file) => /@tensorflow/.test(file)).length);`;
    assert.equal(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' }).trim(), '0');
  });
});

/** A finished installation of the GPU variant, which goes before the other, with a binding that is no library. */
function writeBrokenRuntime(): void {
  const place = runtimePlace(true);
  mkdirSync(place.unpacked, { recursive: true });
  writeFileSync(place.binding, 'not a library');
  const { variant } = place;
  const installedAt = new Date().toISOString();
  const record = { variant, version: '2.21.0', gpu: true, bytes: 1, sha256: '00', installedAt };
  writeFileSync(place.record, JSON.stringify(record));
}

describe('the folder of the runtime', () => {
  afterEach(restoreEnvironment);

  it('is the one that is set, else the cache of this user', () => {
    process.env.BAM_RUNTIME_FOLDER = '/somewhere/else';
    assert.equal(runtimeFolder(), '/somewhere/else');
    delete process.env.BAM_RUNTIME_FOLDER;
    process.env.XDG_CACHE_HOME = '/caches';
    assert.equal(runtimeFolder(), '/caches/bam-studio/runtime');
    delete process.env.XDG_CACHE_HOME;
    assert.ok(runtimeFolder().startsWith(homedir()));
  });

  it('is named before anything is fetched, with the sizes', () => {
    process.env.BAM_RUNTIME_FOLDER = '/somewhere/else';
    assert.match(describeInstall(false), /package index, through pip \(274 MB\)/);
    assert.match(describeInstall(false), /854 MB in \/somewhere\/else\/cpu-2\.21\.0/);
    assert.match(describeInstall(true), /CUDA 12.*\(3\.4 GB\)/);
  });

  it('has sizes that people can read', () => {
    assert.deepEqual([273_829_956, 999_000_000, 1_300_000_000].map(formatBytes), ['274 MB', '999 MB', '1.3 GB']);
  });
});
