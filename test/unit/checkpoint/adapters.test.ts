import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAdapter } from '../../../src/architecture/adapters';
import type { Architecture } from '../../../src/architecture/architecture';
import { parameterSpecs } from '../../../src/architecture/parameters';
import {
  type Checkpoint,
  checkpointName,
  listCheckpoints,
  loadCheckpoint,
  loadLatestCheckpoint,
  MODEL_FILE,
  saveCheckpoint,
} from '../../../src/checkpoint/checkpoint';
import { readSafetensors } from '../../../src/checkpoint/safetensors';
import { largeValues, SMALL } from '../../support/engine';

const ADAPTED: Architecture = { ...SMALL, adapters: { method: 'mov', experts: 3, parts: ['attention', 'ffn'] } };
const PROVENANCE = { experiment: '', stage: '', key: '', run: '', tokenizer: '', version: '' };
const training = { step: 3, draws: {}, seconds: 1 };

describe('a checkpoint of adapters', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bam-adapters-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Saves a base and adapters of it, each as a stage does. */
  async function save(root = folder): Promise<{ path: string; base: string; saved: Checkpoint }> {
    const base = await saveCheckpoint(
      join(root, 'base', 'checkpoints'),
      { architecture: SMALL, parameters: largeValues(SMALL, 1), training: { ...training, step: 9 } },
      PROVENANCE,
    );
    const parameters = new Map([...largeValues(ADAPTED, 2), ...largeValues(SMALL, 1)]);
    const adapters = parameterSpecs(ADAPTED).filter(isAdapter);
    const first = new Map(adapters.map(({ name }) => [name, parameters.get(name)!]));
    const saved: Checkpoint = {
      architecture: ADAPTED,
      parameters,
      moments: { first, second: first },
      training,
      base,
    };
    return { base, saved, path: await saveCheckpoint(join(root, 'own', 'checkpoints'), saved, PROVENANCE) };
  }

  it('holds no tensor of the model that they adapt, and is joined with it when it is read', async () => {
    const { path, saved } = await save();
    const { tensors } = readSafetensors(join(path, MODEL_FILE));
    const expected = parameterSpecs(ADAPTED).filter(isAdapter);
    assert.deepEqual(
      [...tensors.keys()],
      expected.map(({ name }) => name),
    );
    const found = loadCheckpoint(path, 'everything');
    assert.deepEqual(new Map([...found.parameters].sort()), new Map([...saved.parameters].sort()));
    assert.deepEqual({ ...found, parameters: saved.parameters }, saved);
  });

  it('finds its model where both were moved together', async () => {
    const { saved } = await save(join(folder, 'before'));
    cpSync(join(folder, 'before'), join(folder, 'after'), { recursive: true });
    rmSync(join(folder, 'before'), { recursive: true });
    const found = loadCheckpoint(join(folder, 'after', 'own', 'checkpoints', checkpointName(3)), 'model');
    assert.deepEqual(found.parameters.get('norm.weight'), saved.parameters.get('norm.weight'));
    assert.equal(found.base, join(folder, 'after', 'base', 'checkpoints', checkpointName(9)));
  });

  it('says what is missing where that model was deleted, and stays in its place', async () => {
    const { path, base } = await save();
    rmSync(base, { recursive: true });
    const error = {
      reason: 'no-base',
      message: /holds adapters only.*base.*There is no checkpoint/,
      advice: /Run the stage/,
    };
    assert.throws(() => loadCheckpoint(path, 'model'), error);
    assert.throws(() => loadLatestCheckpoint(join(folder, 'own', 'checkpoints')), error);
    assert.deepEqual(listCheckpoints(join(folder, 'own', 'checkpoints')), [3]);
  });
});
