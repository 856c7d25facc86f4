import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countParameters } from '../../../src/architecture/counts';
import { CheckpointError } from '../../../src/base/errors';
import { writeSafetensors } from '../../../src/checkpoint/safetensors';
import { importParameters, inspectModel } from '../../../src/interop/import';
import { CONTEXT, transformersCases, transformersFolder } from '../../support/transformers';

const OPTIONS = { context: CONTEXT, parallelize: false };

describe('looking at a checkpoint of transformers', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bam-import-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A copy of a stored checkpoint, to be spoilt. */
  const copyOf = (name: string): void => cpSync(transformersFolder(name), folder, { recursive: true });

  const changeConfig = (changes: Record<string, unknown>): void => {
    const path = join(folder, 'config.json');
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, 'utf8')) as object), ...changes }));
  };

  /** Reason and message of what comes of reading the folder, which has to name the folder. */
  const problemOf = (options = OPTIONS): [reason: string, message: string] => {
    try {
      importParameters(inspectModel(folder, options));
    } catch (error) {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.ok(error.message.includes(folder), error.message);
      return [error.reason, error.message.replaceAll(`${folder}/`, '').replaceAll(folder, 'folder')];
    }
    return ['none', ''];
  };

  it('reads every stored checkpoint into as many parameters as the architecture counts', () => {
    for (const { folder: path } of transformersCases()) {
      const model = inspectModel(path, OPTIONS);
      const parameters = [...importParameters(model).values()];
      const size = parameters.reduce((sum, values) => sum + values.length, 0);
      assert.equal(size, countParameters(model.architecture).total, path);
    }
  });

  it('refuses what it cannot compute, naming key and value', () => {
    const cases: [name: string, changes: Record<string, unknown>, message: RegExp][] = [
      ['llama', { rope_parameters: { rope_type: 'llama3', rope_theta: 1 } }, /rope_parameters .* without scaling/],
      ['llama', { rope_scaling: { type: 'linear', factor: 2 } }, /rope_scaling .* without scaling .*"linear"/],
      ['llama', { attention_bias: true }, /attention_bias should be false, found true/],
      ['llama', { mlp_bias: true }, /mlp_bias/],
      ['llama', { head_dim: 16 }, /head_dim should be 8, found 16/],
      ['llama', { num_key_value_heads: 3 }, /num_key_value_heads should be a divisor of the 4 heads, found 3/],
      ['llama', { hidden_act: 'gelu' }, /hidden_act should be "silu", found "gelu"/],
      ['llama', { num_hidden_layers: 1e9 }, /num_hidden_layers should be a whole number from 1 to 10000/],
      ['llama', { vocab_size: '67' }, /vocab_size/],
      ['llama', { quantization_config: { bits: 4 } }, /quantization_config should be absent/],
      ['cohere', { use_qk_norm: true }, /use_qk_norm should be false, found true/],
      ['cohere', { logit_scale: 0 }, /logit_scale should be a positive number, found 0/],
      ['cohere', { rope_parameters: null }, /rope_theta should be a positive number, found nothing/],
      ['gpt-neox', { attention_bias: false }, /attention_bias should be true, found false/],
      ['gpt-neox', { hidden_act: 'gelu_new' }, /hidden_act should be "gelu"/],
      ['gpt-neox', { rope_parameters: { partial_rotary_factor: 0.4 } }, /partial_rotary_factor .* even number/],
    ];
    for (const [name, changes, message] of cases) {
      copyOf(name);
      changeConfig(changes);
      const [reason, found] = problemOf();
      assert.equal(reason, 'unsupported', JSON.stringify(changes));
      assert.match(found, message);
      assert.match(found, /^config\.json: /);
    }
  });

  it('reads the older spelling of rotary settings', () => {
    copyOf('gpt-neox');
    changeConfig({ rope_parameters: null, rotary_pct: 1, rotary_emb_base: 77 });
    const { rotaryDimensions, ropeBase } = inspectModel(folder, OPTIONS).architecture;
    assert.deepEqual([rotaryDimensions, ropeBase], [undefined, 77]);
  });

  it('refuses other architectures, longer contexts, and blocks that are parallel already', () => {
    copyOf('cohere');
    assert.match(problemOf({ ...OPTIONS, context: 25 })[1], /max_position_embeddings should be at least 25.*found 24/);
    assert.equal(problemOf({ ...OPTIONS, parallelize: true })[0], 'parallel-already');
    changeConfig({ architectures: ['MixtralForCausalLM'] });
    const [reason, message] = problemOf();
    assert.equal(reason, 'unknown-architecture');
    assert.match(message, /should be one of CohereForCausalLM, .*, found MixtralForCausalLM/);
  });

  it('makes sequential blocks parallel when asked', () => {
    copyOf('llama');
    assert.equal(inspectModel(folder, OPTIONS).architecture.block, 'sequential');
    assert.equal(inspectModel(folder, { ...OPTIONS, parallelize: true }).architecture.block, 'parallel-two-norms');
  });

  it('names what is missing, misshapen or too much', () => {
    copyOf('llama');
    changeConfig({ num_hidden_layers: 3 });
    assert.match(problemOf()[1], /should hold the tensor model\.layers\.2\.input_layernorm\.weight \(32\)/);
    changeConfig({ num_hidden_layers: 9999 });
    assert.equal(problemOf()[0], 'tensor-missing');
    changeConfig({ num_hidden_layers: 1 });
    assert.match(problemOf()[1], /tensor model\.layers\.1\..* has no place/);
    changeConfig({ num_hidden_layers: 2, intermediate_size: 47 });
    const [reason, message] = problemOf();
    assert.equal(reason, 'tensor-mismatch');
    assert.match(message, /^model\.safetensors: tensor .*gate_proj\.weight should be \(47, 32\), found \(48, 32\)/);
  });

  it('names shards that are missing or do not hold what the index says', () => {
    copyOf('llama-gqa-sharded');
    const shard = join(folder, 'model-00002-of-00002.safetensors');
    rmSync(shard);
    assert.deepEqual(problemOf(), [
      'missing-shard',
      'folder should hold model-00002-of-00002.safetensors, which model.safetensors.index.json names, but does not.',
    ]);
    writeSafetensors(shard, [], {});
    assert.match(problemOf()[1], /^model-00002-of-00002\.safetensors cannot be imported: it should hold the tensor/);
    writeFileSync(join(folder, 'model.safetensors.index.json'), '{"weight_map": {"a": "../secret.safetensors"}}');
    assert.match(problemOf()[1], /the file of a should be a name/);
    writeFileSync(join(folder, 'model.safetensors.index.json'), '{');
    assert.match(problemOf()[1], /^model\.safetensors\.index\.json should hold JSON/);
  });

  it('says what is wrong with files that are cut, of another type, not finite or not there', () => {
    copyOf('llama');
    const file = join(folder, 'model.safetensors');
    truncateSync(file, 20_000);
    const [reason, message] = problemOf();
    assert.equal(reason, 'damaged');
    assert.match(message, /^model\.safetensors cannot be imported: .*the file has 20000/);
    rmSync(file);
    assert.match(problemOf()[1], /^folder should hold model\.safetensors or model\.safetensors\.index\.json/);
    rmSync(join(folder, 'config.json'));
    writeSafetensors(file, [], {});
    assert.equal(problemOf()[0], 'missing');
    rmSync(folder, { recursive: true });
    assert.match(problemOf()[1], /^folder should be a folder/);
    copyOf('gpt-neox');
    const bytes = readFileSync(file);
    bytes.writeFloatLE(NaN, bytes.length - 4);
    writeFileSync(file, bytes);
    assert.match(problemOf()[1], /should hold finite numbers, found NaN at/);
    writeFileSync(file, Buffer.from(bytes.toString('latin1').replace('"F32"', '"I32"'), 'latin1'));
    assert.equal(problemOf()[0], 'dtype');
  });
});
