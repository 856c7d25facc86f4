import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stageFacts } from '../../../src/plan/facts';
import { ExperimentError, planText } from '../../../src/plan/plan-file';
import type { PlannedStage } from '../../../src/plan/plan';
import { transformersFolder } from '../../support/transformers';

describe('planning with imported checkpoints', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-imports-'));
    mkdirSync(join(folder, 'law'));
    writeFileSync(join(folder, 'law', 'a.txt'), 'one text');
    writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(TOKENIZER));
    for (const name of ['llama', 'gpt-neox', 'gpt-neox-sequential', 'cohere']) {
      cpSync(transformersFolder(name), join(folder, name), { recursive: true });
    }
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const stagesOf = async (
    stages: string,
    tokenizer = 'tokenizer.json',
    model = 'context: 16',
  ): Promise<Record<string, PlannedStage>> => {
    const text = `name: x
model: { ${model}, tokenizer: ${tokenizer} }
domains: { law: { files: law/* } }
stages:
${stages}`;
    const { plan } = await planText(text, join(folder, 'x.bam.yaml'), join(folder, 'data'));
    return Object.fromEntries(plan.stages.map((stage) => [stage.name, stage]));
  };

  const mistakesOf = async (...experiment: Parameters<typeof stagesOf>): Promise<string[]> => {
    try {
      await stagesOf(...experiment);
    } catch (error) {
      assert.ok(error instanceof ExperimentError, String(error));
      return error.diagnostics.map(({ path, found }) => `${path}: ${found.replaceAll(folder, '')}`);
    }
    return [];
  };

  it('takes the shape from config.json, also for stages that go on from there', async () => {
    const stages = await stagesOf(`  seed: { import: { huggingFace: gpt-neox } }
  law: { from: seed, train: { tokens: 1k } }
  bam: { upcycle: { method: bam, experts: [seed, law] } }
`);
    const { layers, width, ffn, context, vocabulary } = stages.law!.architecture;
    assert.deepEqual([layers, width, ffn, context, vocabulary], [2, 32, 'gelu', 16, 67]);
    assert.deepEqual(stages.bam!.architecture, {
      ...stages.seed!.architecture,
      mixture: { experts: 2, ffnTopK: 1, gate: 'softmax-topk', attention: 'kv-experts' },
    });
    assert.deepEqual(Object.fromEntries(stageFacts(stages.seed!, {}))['starts from'], 'gpt-neox (GPTNeoXForCausalLM)');
  });

  it('names a stage by the content of the files: where they lie does not matter, what they hold does', async () => {
    const keyOf = async (path: string, more = ''): Promise<string> =>
      (await stagesOf(`  seed: { import: { huggingFace: ${path}${more} } }\n`)).seed!.key;
    const key = await keyOf('llama');
    cpSync(join(folder, 'llama'), join(folder, 'copy'), { recursive: true });
    assert.equal(await keyOf('copy'), key);
    assert.notEqual(await keyOf('llama', ', parallelize: true'), key);
    const config = { architectures: ['LlamaForCausalLM'], hidden_size: 32, num_attention_heads: 4 };
    const sizes = { num_hidden_layers: 2, intermediate_size: 48, vocab_size: 67, tie_word_embeddings: true };
    writeFileSync(join(folder, 'copy', 'config.json'), JSON.stringify({ ...config, ...sizes, rope_theta: 5 }));
    assert.notEqual(await keyOf('copy'), key);
  });

  it('finds checkpoints that do not fit before anything trains', async () => {
    assert.deepEqual(await mistakesOf('  seed: { import: { huggingFace: nowhere } }\n'), [
      'stages.seed.import.huggingFace: a problem: /nowhere should be a folder with config.json and *.safetensors, but is none. ' +
        'Paths are relative to the experiment file. Nothing is downloaded: put the model there first.',
    ]);
    const [rows, ...others] = await mistakesOf('  seed: { import: { huggingFace: llama } }\n', 'bytes');
    assert.match(rows!, /^stages\.seed\.import\.huggingFace: .*67 rows of embeddings, the tokenizer has 257 tokens/);
    assert.equal(others.length, 0);
    const mixed = await mistakesOf(`  a: { import: { huggingFace: llama } }
  b: { import: { huggingFace: cohere } }
  mix: { upcycle: { method: btx, experts: [a, b] } }
`);
    assert.match(
      mixed[0]!,
      /^stages\.mix\.upcycle\.experts\.1: a problem: a and b have different shapes: kvHeads 4 and 2/,
    );
  });

  it('takes ensembles of different models, but not of different tokens', async () => {
    const ensembles = `  a: { import: { huggingFace: llama } }
  b: { import: { huggingFace: cohere } }
  mix: { upcycle: { method: btx, experts: [a, a] } }
  all: { ensemble: { members: [a, b, mix] } }
`;
    const { all, a, b, mix } = await stagesOf(ensembles);
    assert.deepEqual(
      all!.parents.map(({ key }) => key),
      [a!.key, b!.key, mix!.key],
    );
    const more = `${ensembles}  random: { train: { tokens: 1k } }\n  both: { ensemble: { members: [mix, random] } }\n`;
    const shape = 'layers: 1, width: 16, heads: 2, ffnHidden: 16, context: 16';
    const [mistake, ...others] = await mistakesOf(more, 'tokenizer.json', shape);
    assert.match(
      mistake!,
      /^stages\.both\.ensemble\.members\.1: a problem: mix has 67 rows of embeddings, random has 10\. .*`model\.vocabulary`/,
    );
    assert.equal(others.length, 0);
    assert.ok((await stagesOf(more, 'tokenizer.json', `${shape}, vocabulary: 67`)).both);
  });

  it('has the context of each variant', async () => {
    const stages = '  seed: { import: { huggingFace: llama } }\nsweep: { model.context: [8, 16] }\n';
    const found = await stagesOf(stages);
    assert.deepEqual(
      Object.values(found).map(({ name, architecture }) => [name, architecture.context]),
      [
        ['seed@context=8', 8],
        ['seed@context=16', 16],
      ],
    );
    const [mistake] = await mistakesOf(stages.replace('16', '4000'));
    assert.match(mistake!, /at least 4000, the context of the experiment/);
  });

  it('takes sequential blocks for BTX, and for BAM only when they are made parallel', async () => {
    const stages = (method: string, more = ''): string => `  a: { import: { huggingFace: llama${more} } }
  b: { from: a, train: { tokens: 1k } }
  mix: { upcycle: { method: ${method}, experts: [a, b] } }
`;
    const [mistake] = await mistakesOf(stages('bam'));
    assert.match(mistake!, /^stages\.mix\.upcycle\.method: .*BAM needs parallel blocks.*parallelize: true/);
    assert.equal((await stagesOf(stages('btx'))).mix!.architecture.block, 'sequential');
    const parallel = await stagesOf(stages('bam', ', parallelize: true'));
    assert.equal(parallel.mix!.architecture.block, 'parallel-two-norms');
    assert.match(Object.fromEntries(stageFacts(parallel.a!, {}))['starts from']!, /which changes what it computes/);
  });
});

/** Ten words, of which the first ends a document. */
const TOKENIZER = {
  version: '1.0',
  added_tokens: [{ id: 0, content: '<|endoftext|>', special: true }],
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordLevel',
    unk_token: 'one',
    vocab: Object.fromEntries(
      ['<|endoftext|>', 'one', 'text', 'a', 'b', 'c', 'd', 'e', 'f', 'g'].map((w, i) => [w, i]),
    ),
  },
};
