import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { elementCount, parameterSpecs } from '../../../src/architecture/parameters';
import { normalValues } from '../../../src/base/random';
import {
  type Checkpoint,
  checkpointName,
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  MODEL_FILE,
  pruneCheckpoints,
  saveCheckpoint,
} from '../../../src/checkpoint/checkpoint';
import { readSafetensors, readSafetensorsHeader, writeSafetensors } from '../../../src/checkpoint/safetensors';
import { withSmallDisk } from '../base/small-disk';

const architecture: Architecture = {
  layers: 1,
  width: 8,
  heads: 4,
  kvHeads: 2,
  ffnHidden: 6,
  context: 4,
  vocabulary: 11,
  tiedEmbeddings: true,
  ropeBase: 10000,
  normEpsilon: 1e-5,
  mixture: { experts: 2, ffnTopK: 1, gate: 'softmax-topk', attention: 'shared-kv' },
};

const provenance = { experiment: 'x', stage: 'bam', key: 'k', run: 'r', tokenizer: 'bytes', version: '0' };
const OPTIMIZER_FILE = 'optimizer.safetensors';

function tensorsOf(seed: number): Map<string, Float32Array> {
  const specs = parameterSpecs(architecture);
  return new Map(specs.map(({ name, shape }, i) => [name, normalValues(seed * 100 + i, elementCount(shape), 1)]));
}

function checkpointAt(step: number): Checkpoint {
  return {
    architecture,
    parameters: tensorsOf(step),
    moments: { first: tensorsOf(step + 1), second: tensorsOf(step + 2) },
    training: { step, draws: { law: 3 * step, math: 0 }, best: { step: 1, averagePerplexity: 12.5 }, seconds: 1.25 },
  };
}

/** Turns one bit of a file around, in the middle of its values. */
function flipBit(path: string): void {
  const handle = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  const position = Math.floor((readSafetensorsHeader(path).dataStart + readFileSync(path).length) / 2);
  readSync(handle, byte, 0, 1, position);
  writeSync(handle, Buffer.of(byte[0]! ^ 4), 0, 1, position);
  closeSync(handle);
}

describe('checkpoint', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'bam-checkpoint-')), 'checkpoints');
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

  const save = (step: number) => saveCheckpoint(folder, checkpointAt(step), provenance);
  const refuses = (path: string, reason: string, message: RegExp, parts: 'model' | 'everything' = 'everything') =>
    assert.throws(() => loadCheckpoint(path, parts), { name: 'CheckpointError', reason, message });

  it('comes back as it was saved: parameters, moments, and where training stands', async () => {
    const path = await save(7);
    assert.equal(path, join(folder, 'step-000000007'));
    assert.deepEqual(loadCheckpoint(path, 'everything'), checkpointAt(7));
    const { moments, ...model } = checkpointAt(7);
    assert.ok(moments);
    assert.deepEqual(loadCheckpoint(path, 'model'), model);
    const { metadata } = readSafetensorsHeader(join(path, MODEL_FILE));
    assert.deepEqual(JSON.parse(metadata.provenance!), provenance);
  });

  it('is what it was when it was given, whatever training does while it waits for the disk', async () => {
    const checkpoint = checkpointAt(7);
    const saving = saveCheckpoint(folder, checkpoint, provenance);
    for (const values of checkpoint.parameters.values()) values.fill(0);
    checkpoint.training.step++;
    assert.deepEqual(listCheckpoints(folder), [], 'it has no name yet');
    assert.deepEqual(loadCheckpoint(await saving, 'everything'), checkpointAt(7));
  });

  it('can be without moments, and be saved again at the same step', async () => {
    await save(7);
    const { moments, ...model } = checkpointAt(8);
    assert.ok(moments);
    const path = await saveCheckpoint(folder, { ...model, training: { ...model.training, step: 7 } }, provenance);
    assert.deepEqual(loadCheckpoint(path, 'everything').parameters, model.parameters);
    assert.equal(loadCheckpoint(path, 'everything').moments, undefined);
    assert.deepEqual(readdirSync(folder), ['step-000000007']);
  });

  it('can be without the moments of parameters that are frozen', async () => {
    const checkpoint = checkpointAt(7);
    for (const moment of [checkpoint.moments!.first, checkpoint.moments!.second]) {
      for (const name of moment.keys()) if (name.includes('experts')) moment.delete(name);
    }
    const path = await saveCheckpoint(folder, checkpoint, provenance);
    assert.deepEqual(loadCheckpoint(path, 'everything'), checkpoint);
  });

  it('names the file that is cut, changed or missing', async () => {
    const whole = await save(7);
    const copy = (change: (path: string) => void): string => {
      const path = join(folder, 'copy');
      rmSync(path, { recursive: true, force: true });
      cpSync(whole, path, { recursive: true });
      change(path);
      return path;
    };
    const size = readFileSync(join(whole, MODEL_FILE)).length;
    refuses(
      copy((path) => truncateSync(join(path, MODEL_FILE), size - 4)),
      'damaged',
      new RegExp(`copy is damaged: model\\.safetensors should have ${size} bytes, found ${size - 4}`),
    );
    refuses(
      copy((path) => flipBit(join(path, MODEL_FILE))),
      'damaged',
      /copy is damaged: the checksum of model\.safetensors does not match/,
    );
    const flipped = copy((path) => flipBit(join(path, OPTIMIZER_FILE)));
    refuses(flipped, 'damaged', /the checksum of optimizer\.safetensors does not match/);
    assert.ok(loadCheckpoint(flipped, 'model'), 'the model alone is whole');
    const missing = copy((path) => rmSync(join(path, OPTIMIZER_FILE)));
    refuses(missing, 'damaged', /copy is damaged: optimizer\.safetensors is missing/);
    const noModel = copy((path) => rmSync(join(path, MODEL_FILE)));
    refuses(noModel, 'damaged', /model\.safetensors is missing/, 'model');
  });

  it('names what its state file lacks', async () => {
    const path = await save(7);
    const state = join(path, 'state.json');
    const content = JSON.parse(readFileSync(state, 'utf8')) as { training: object; files: Record<string, object> };
    writeFileSync(state, JSON.stringify({ ...content, files: { [OPTIMIZER_FILE]: content.files[OPTIMIZER_FILE] } }));
    refuses(path, 'damaged', /state\.json does not list model\.safetensors/);
    writeFileSync(state, JSON.stringify({ ...content, training: { ...content.training, step: undefined } }));
    refuses(path, 'damaged', /state\.json lacks training\.step/);
    writeFileSync(state, '{"training":');
    refuses(path, 'damaged', /state\.json is not JSON/);
    rmSync(state);
    refuses(path, 'damaged', /it has no state\.json/);
    refuses(join(folder, 'step-000000009'), 'missing', /There is no checkpoint step-000000009 in .*checkpoints/);
  });

  it('names a tensor that has another shape, even of as many numbers, or is not there', async () => {
    const path = await save(7);
    const rewrite = (change: (tensors: ReturnType<typeof readSafetensors>['tensors']) => void): void => {
      const { tensors, metadata } = readSafetensors(join(path, MODEL_FILE));
      change(tensors);
      writeSafetensors(join(path, MODEL_FILE), tensors, metadata);
      acceptModel(path);
    };
    const name = 'layers.0.ffn.experts.1.down.weight';
    rewrite((tensors) => tensors.set(name, { ...tensors.get(name)!, shape: [6, 8] }));
    refuses(
      path,
      'tensor-mismatch',
      /step-000000007: tensor layers\.0\.ffn\.experts\.1\.down\.weight should be \(8, 6\), found \(6, 8\)/,
    );
    rewrite((tensors) => tensors.delete(name));
    refuses(path, 'tensor-mismatch', /down\.weight should be \(8, 6\), found nothing/);
  });

  /** Lets the state file agree with a model file that was changed on purpose. */
  function acceptModel(path: string): void {
    const state = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as { files: Record<string, object> };
    const content = readFileSync(join(path, MODEL_FILE));
    const sha256 = createHash('sha256').update(content).digest('hex');
    state.files[MODEL_FILE] = { bytes: content.length, sha256 };
    writeFileSync(join(path, 'state.json'), JSON.stringify(state));
  }
});

describe('checkpoints of a stage', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'bam-checkpoint-')), 'checkpoints');
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

  const save = async (...steps: number[]) => {
    for (const step of steps) await saveCheckpoint(folder, checkpointAt(step), provenance);
  };

  it('are listed by step, and the latest is taken up', async () => {
    assert.deepEqual(listCheckpoints(folder), []);
    assert.deepEqual(loadLatestCheckpoint(folder), { checkpoint: undefined, problems: [] });
    await save(100, 20, 3);
    assert.deepEqual(listCheckpoints(folder), [3, 20, 100]);
    assert.deepEqual(loadLatestCheckpoint(folder), { checkpoint: checkpointAt(100), problems: [] });
  });

  it('fall back to the one before where the latest are damaged, which are moved aside and named', async () => {
    await save(10, 20, 30);
    flipBit(join(folder, checkpointName(30), MODEL_FILE));
    rmSync(join(folder, checkpointName(20), OPTIMIZER_FILE));
    const { checkpoint, problems } = loadLatestCheckpoint(folder);
    assert.deepEqual(checkpoint, checkpointAt(10));
    assert.equal(problems.length, 2);
    assert.match(problems[0]!, /checksum of model\.safetensors .* moved to step-000000030\.damaged/);
    assert.match(problems[1]!, /optimizer\.safetensors is missing\. It was moved to step-000000020\.damaged/);
    assert.deepEqual(readdirSync(folder).sort(), [
      'step-000000010',
      'step-000000020.damaged',
      'step-000000030.damaged',
    ]);
    assert.deepEqual(loadLatestCheckpoint(folder), { checkpoint: checkpointAt(10), problems: [] });
  });

  it('end with none where every one is damaged', async () => {
    await save(10);
    truncateSync(join(folder, checkpointName(10), MODEL_FILE), 100);
    const { checkpoint, problems } = loadLatestCheckpoint(folder);
    assert.equal(checkpoint, undefined);
    assert.equal(problems.length, 1);
  });

  it('are never taken from a save that a crash cut off, which the next save clears away', async () => {
    await save(10);
    const source = JSON.stringify(join(import.meta.dirname, '../../../src/checkpoint/checkpoint.ts'));
    // Killed as it flushes its first file: a process that dies in the middle of saving.
    const script = `const fs = require('node:fs');
      const { loadCheckpoint, saveCheckpoint } = require(${source});
      const [folder, whole] = process.argv.slice(1);
      const checkpoint = loadCheckpoint(whole, 'everything');
      fs.fsync = () => process.kill(process.pid, 'SIGKILL');
      checkpoint.training.step = 20;
      saveCheckpoint(folder, checkpoint, {});`;
    const arguments_ = ['--require', 'tsx/cjs', '-e', script, folder, join(folder, checkpointName(10))];
    const { signal, stderr } = spawnSync(process.execPath, arguments_, { encoding: 'utf8' });
    assert.equal(signal, 'SIGKILL', stderr);
    const left = readdirSync(folder).filter((name) => name.endsWith('.tmp'));
    assert.equal(left.length, 1);
    assert.ok(existsSync(join(folder, left[0]!, MODEL_FILE)));
    assert.deepEqual(listCheckpoints(folder), [10]);
    assert.deepEqual(loadLatestCheckpoint(folder), { checkpoint: checkpointAt(10), problems: [] });
    await save(20);
    assert.deepEqual(readdirSync(folder), ['step-000000010', 'step-000000020']);
  });

  it('are pruned to the last ones and the best', async () => {
    await save(1, 2, 3, 4, 5);
    pruneCheckpoints(folder, 2, 2);
    assert.deepEqual(listCheckpoints(folder), [2, 4, 5]);
    pruneCheckpoints(folder, 1, 5);
    assert.deepEqual(listCheckpoints(folder), [5]);
    pruneCheckpoints(folder, 3, undefined);
    assert.deepEqual(listCheckpoints(folder), [5]);
    mkdirSync(join(folder, 'step-000000001.damaged'));
    pruneCheckpoints(folder, 1, undefined);
    assert.ok(existsSync(join(folder, 'step-000000001.damaged')), 'what was moved aside is left to the user');
  });

  it('keep the last whole one when the disk is full (needs root on Linux)', function () {
    return withSmallDisk(this, 96, async (disk) => {
      await saveCheckpoint(disk, checkpointAt(1), provenance);
      let failed = 0;
      for (let step = 2; step < 40 && !failed; step++) {
        try {
          await saveCheckpoint(disk, checkpointAt(step), provenance);
        } catch (error) {
          failed = step;
          assert.ok(error instanceof Error && 'reason' in error && error.reason === 'no-space', String(error));
        }
      }
      assert.ok(failed > 1, 'the disk never filled up');
      assert.ok(readdirSync(disk).every((name) => !name.endsWith('.tmp')));
      assert.deepEqual(loadLatestCheckpoint(disk), { checkpoint: checkpointAt(failed - 1), problems: [] });
    });
  });
});
