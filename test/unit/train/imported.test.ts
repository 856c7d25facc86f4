import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countParameters } from '../../../src/architecture/counts';
import { FileHashes } from '../../../src/data/hashes';
import { findImport } from '../../../src/plan/imports';
import { importedParameters } from '../../../src/train/imported';
import { CONTEXT, transformersFolder } from '../../support/transformers';

describe('the parameters of an imported checkpoint', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-imported-'));
    cpSync(transformersFolder('llama'), join(folder, 'llama'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const plan = (parallelize: boolean) =>
    findImport({ huggingFace: 'llama', parallelize }, CONTEXT, folder, FileHashes.fresh());

  it('are those of the files that were planned, with a warning where blocks were made parallel', async () => {
    for (const parallelize of [false, true]) {
      const { planned, architecture } = await plan(parallelize);
      const { values, description, warning } = await importedParameters(planned, CONTEXT, folder);
      const size = [...values.values()].reduce((sum, { length }) => sum + length, 0);
      assert.equal(size, countParameters(architecture).total);
      assert.match(description, /^from llama \(LlamaForCausalLM\)/);
      assert.equal(warning !== undefined, parallelize);
    }
  });

  it('are refused where a file has changed since, if only by a bit', async () => {
    const { planned } = await plan(false);
    const file = join(folder, 'llama', 'model.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 2]! ^= 1;
    writeFileSync(file, bytes);
    await assert.rejects(importedParameters(planned, CONTEXT, folder), { reason: 'changed', message: /llama/ });
  });
});
