import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { CheckpointError } from '../../../src/base/errors';
import { readSafetensors } from '../../../src/checkpoint/safetensors';
import { exportModel } from '../../../src/interop/export';
import { defaultFormat, exportConfig, type ExportFormat, exportProblem } from '../../../src/interop/export-formats';
import { importParameters, inspectModel } from '../../../src/interop/import';
import { asMixture, largeValues, SMALL, VARIANTS } from '../../support/engine';
import { EXPORTED, exportedValues, hashOfFolder, writeExport } from '../../support/exports';
import { CONTEXT, transformersFolder } from '../../support/transformers';

const APPROVED = JSON.parse(readFileSync(join(__dirname, '../../parity/exports.json'), 'utf8')) as Record<
  string,
  string
>;

describe('exported models', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bam-export-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are the bytes that transformers was seen to load, with our logits (test/parity/README.md)', () => {
    assert.deepEqual(Object.keys(APPROVED).sort(), Object.keys(EXPORTED).sort());
    for (const [name, { format }] of Object.entries(EXPORTED)) {
      assert.equal(writeExport(name, join(folder, name)), format);
      assert.equal(hashOfFolder(join(folder, name)), APPROVED[name], name);
    }
  });

  it('come back to the bit when they are imported', () => {
    for (const [name, { architecture, format }] of Object.entries(EXPORTED)) {
      if (architecture.mixture) continue;
      writeExport(name, join(folder, name));
      const back = inspectModel(join(folder, name), { context: architecture.context, parallelize: false });
      assert.deepEqual(back.architecture, architecture, `${name} as ${format}`);
      assert.deepEqual(importParameters(back), exportedValues(name), name);
    }
  });

  it('of imported checkpoints have the tensors of the original', () => {
    for (const [name, file] of [
      ['gpt-neox', 'model.safetensors'],
      ['llama-gqa-sharded', 'model-00001-of-00002.safetensors'],
    ] as const) {
      const model = inspectModel(transformersFolder(name), { context: CONTEXT, parallelize: false });
      const to = join(folder, name);
      const { architecture } = model;
      exportModel({ architecture, parameters: importParameters(model), to, endOfDocument: 0, files: [] });
      const { tensors } = readSafetensors(join(to, 'model.safetensors'));
      for (const [tensor, value] of readSafetensors(join(transformersFolder(name), file)).tensors) {
        assert.deepEqual(tensors.get(tensor), value, `${name}: ${tensor}`);
      }
    }
  });

  const exportTo = (
    to: string,
    architecture: Architecture,
    format?: ExportFormat,
    tokenizer?: string,
  ): ExportFormat => {
    const files = tokenizer === undefined ? [] : [{ name: 'tokenizer.json', path: tokenizer }];
    return exportModel({ architecture, parameters: largeValues(architecture, 1), to, format, endOfDocument: 0, files });
  };

  it('are whole or not there, and never in the place of something else', () => {
    const tokenizer = join(folder, 'tokenizer.json');
    writeFileSync(tokenizer, '{}');
    const to = join(folder, 'new', 'model');
    exportTo(to, SMALL, undefined, tokenizer);
    assert.deepEqual(readdirSync(to), ['config.json', 'model.safetensors', 'tokenizer.json']);
    assert.throws(() => exportTo(to, SMALL), { reason: 'exists' });
    assert.throws(() => exportTo(tokenizer, SMALL), { reason: 'exists' });
    mkdirSync(join(folder, 'empty'));
    exportTo(join(folder, 'empty'), SMALL);
    assert.throws(() => exportTo(join(folder, 'cut'), SMALL, undefined, join(folder, 'nowhere')));
    assert.ok(!existsSync(join(folder, 'cut')));
    assert.deepEqual(readdirSync(folder).sort(), ['empty', 'new', 'tokenizer.json']);
  });

  it('are refused where a format cannot say the model, with the reason', () => {
    const btx = asMixture({ ...SMALL, ...VARIANTS.llama }, { attention: 'averaged', ffnTopK: 2, gate: 'softmax-topk' });
    const cases: [ExportFormat, Architecture, RegExp][] = [
      ['mixtral', btx, /gate should be topk-softmax, found softmax-topk/],
      ['mixtral', { ...SMALL, ...VARIANTS.llama }, /the model is dense/],
      ['mixtral', asMixture({ ...SMALL, ...VARIANTS.llama }), /attention should be averaged \(btx\), found kv-experts/],
      ['mixtral', asMixture(SMALL, { attention: 'averaged' }), /block should be sequential, found absent/],
      ['llama', SMALL, /block should be sequential, found absent/],
      ['llama', btx, /the model is a mixture/],
      ['cohere', { ...SMALL, ...VARIANTS.neox }, /block should be absent, found parallel-two-norms/],
      ['gpt-neox', { ...SMALL, ...VARIANTS.neox, kvHeads: 2 }, /kvHeads should be 4/],
    ];
    for (const [format, architecture, message] of cases) {
      const to = join(folder, 'model');
      assert.throws(
        () => exportTo(to, architecture, format),
        (error) => error instanceof CheckpointError && error.reason === 'inexpressible' && message.test(error.message),
        `${format} ${message}`,
      );
      assert.ok(!existsSync(to));
      assert.equal(defaultFormat(architecture) === format, false);
    }
  });

  it('are refused in every format where a model has an option that no format knows', () => {
    const strange = { ...asMixture(SMALL), novelty: 1 };
    assert.match(exportProblem('bam', strange)!, /no format says novelty/);
    const mixture = { ...asMixture(SMALL).mixture!, novelty: 1 };
    assert.match(exportProblem('bam', { ...SMALL, mixture })!, /no format says mixture\.novelty/);
    assert.equal(exportProblem('bam', asMixture(SMALL)), undefined);
  });

  it('write whole numbers with a point where transformers wants one', () => {
    const text = exportConfig('cohere', { ...SMALL, ropeBase: 500 }, 0);
    assert.match(text, /"rope_theta": 500\.0,\n/);
    assert.match(text, /"logit_scale": 1\.0,\n/);
    assert.match(text, /"num_attention_heads": 4,\n/);
    assert.equal((JSON.parse(text) as { rope_theta: number }).rope_theta, 500);
  });
});
