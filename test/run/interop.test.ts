import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName, listCheckpoints, loadCheckpoint } from '../../src/checkpoint/checkpoint';
import { importParameters, inspectModel } from '../../src/interop/import';
import type { Plan } from '../../src/plan/plan';
import { checkpointsFolder } from '../../src/plan/result';
import { transformersFolder } from '../support/transformers';
import { TestWorkspace } from './support';

/** 60 words: so many has the embedding of the stored checkpoints at least. */
const WORDS = ['<|endoftext|>', 'x', ...Array.from({ length: 58 }, (_, i) => String(i))];
const TOKENIZER = {
  version: '1.0',
  added_tokens: [{ id: 0, content: '<|endoftext|>', special: true }],
  normalizer: null,
  pre_tokenizer: { type: 'Split', pattern: { Regex: '.' }, behavior: 'Isolated', invert: false },
  post_processor: null,
  decoder: null,
  model: { type: 'WordLevel', unk_token: 'x', vocab: Object.fromEntries(WORDS.map((word, id) => [word, id])) },
};

const TRAINING = 'tokens: 480, batch: 2, evaluateEvery: 10, evaluationTokens: 128, loadBalance: 0';
const EXPERIMENT = `name: imported
model: { context: 24, tokenizer: tokenizer.json }
domains:
  prose: { files: "prose/*.txt" }
  sums: { files: sums.jsonl, field: text }
stages:
  seed: { import: { huggingFace: llama, parallelize: true } }
  llama: { import: { huggingFace: llama } }
  sums: { from: llama, train: { mix: { sums: 1 }, ${TRAINING} } }
  btx: { upcycle: { method: btx, experts: [llama, sums], ffnTopK: 2, gate: topk-softmax }, train: { like: sums, mix: equal } }
  bam: { upcycle: { method: bam, experts: [seed, seed] }, train: { like: sums, mix: equal } }
`;

describe('a run that starts from checkpoints of transformers', () => {
  let workspace: TestWorkspace;
  let plan: Plan;

  before(async () => {
    workspace = new TestWorkspace(undefined, EXPERIMENT);
    cpSync(transformersFolder('llama'), join(workspace.root, 'llama'), { recursive: true });
    writeFileSync(join(workspace.root, 'tokenizer.json'), JSON.stringify(TOKENIZER));
    const { code, stderr } = await workspace.bam('run', workspace.file);
    assert.equal(code, 0, stderr);
    plan = JSON.parse(readFileSync(workspace.workspace.planFile(workspace.run), 'utf8')) as Plan;
  });
  after(() => rmSync(workspace.root, { recursive: true }));

  const checkpointOf = (name: string) => {
    const folder = checkpointsFolder(workspace.workspace.stagesFolder, plan.stages.find((s) => s.name === name)!.key);
    return loadCheckpoint(join(folder, checkpointName(listCheckpoints(folder).at(-1)!)), 'model');
  };

  it('trains and mixes them, and warns of blocks that were made parallel', () => {
    assert.equal(checkpointOf('btx').architecture.block, 'sequential');
    assert.equal(checkpointOf('bam').architecture.block, 'parallel-two-norms');
    const warnings = workspace.events().flatMap((e) => (e.type === 'note' && e.level === 'warning' ? [e.message] : []));
    assert.ok(
      warnings.some((text) => /blocks of llama were made parallel/.test(text)),
      warnings.join('\n'),
    );
  });

  it('says in the plan where its stages start', async () => {
    const { stdout } = await workspace.bam('plan', workspace.file);
    assert.match(
      stdout,
      /^seed starts from llama \(LlamaForCausalLM\), its blocks made parallel, which changes what it/m,
    );
    assert.match(stdout, /^llama starts from llama \(LlamaForCausalLM\)$/m);
  });

  it('exports what comes of it', async () => {
    const formats = { sums: 'llama', btx: 'mixtral', bam: 'bam', seed: 'bam' };
    for (const [stage, format] of Object.entries(formats)) {
      const { code, stdout, stderr } = await workspace.bam(
        'export-model',
        'last',
        stage,
        '--to',
        `out/${stage}`,
        '--json',
      );
      assert.equal(code, 0, stderr);
      const written = JSON.parse(stdout) as { format: string; folder: string; hasTokenizer: boolean };
      assert.deepEqual([written.format, written.hasTokenizer], [format, true]);
      assert.deepEqual(
        readFileSync(join(written.folder, 'tokenizer.json')),
        readFileSync(join(workspace.root, 'tokenizer.json')),
      );
    }
    const back = inspectModel(join(workspace.root, 'out', 'sums'), { context: 24, parallelize: false });
    assert.deepEqual(importParameters(back), checkpointOf('sums').parameters);
  });

  it('says why it does not export', async () => {
    const fails = async (...args: string[]): Promise<string> => {
      const { code, stderr } = await workspace.bam('export-model', 'last', ...args);
      assert.equal(code, 1);
      return stderr;
    };
    assert.match(await fails('bax', '--to', 'out/x'), /should have a stage bax, but has seed, llama, sums/);
    assert.match(
      await fails('bam', '--to', 'out/x', '--format', 'mixtral'),
      /cannot be exported as mixtral: block should/,
    );
    writeFileSync(join(workspace.root, 'tokenizer.json'), `${JSON.stringify(TOKENIZER)} `);
    assert.match(await fails('bam', '--to', 'out/x'), /tokenizer\.json is not the one/);
  });
});
