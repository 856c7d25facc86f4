import assert from 'node:assert/strict';
import { type Architecture, denseArchitecture, type MixtureArchitecture } from '../../../src/architecture/architecture';
import { countParameters, forwardFlops, trainingFlops } from '../../../src/architecture/counts';
import { elementCount, parameterSpecs, partOf } from '../../../src/architecture/parameters';
import { modelSchema } from '../../../src/config/schema';

/** The 590m model of BAM's Table 8; its "FFN dimension" of 4096 is gate and up together. */
const paper: Architecture = denseArchitecture(
  modelSchema.parse({
    layers: 6,
    width: 1024,
    heads: 8,
    ffnHidden: 2048,
    context: 256,
    vocabulary: 256_000,
    tiedEmbeddings: false,
  }),
  257,
);

function mixed(attention: MixtureArchitecture['attention'], experts = 4, ffnTopK = 1): Architecture {
  return { ...paper, mixture: { experts, ffnTopK, gate: 'softmax-topk', attention } };
}

describe('parameter counts', () => {
  it('are those published for BAM and BTX (arXiv 2408.08274, Tables 8 and 9)', () => {
    assert.deepEqual(countParameters(paper), { total: 587_209_728, active: 587_209_728 });
    assert.deepEqual(countParameters(mixed('averaged')), { total: 700_480_512, active: 587_234_304 });
    assert.equal(countParameters(mixed('kv-experts')).total, 776_002_560);
    assert.deepEqual(countParameters(mixed('shared-kv')), { total: 738_253_824, active: 625_007_616 });
  });

  it('are, where Table 9 prints active ones that leave something out, those and what it leaves out', () => {
    const routerOverFour = 6 * 4 * 1024;
    const sharedKeysAndValues = 6 * 2 * 1024 * 1024;
    const active = (architecture: Architecture) => countParameters(architecture).active;
    assert.equal(active(mixed('kv-experts')), 662_731_776 + routerOverFour, 'the second router');
    assert.equal(active(mixed('shared-kv')), 612_400_128 + sharedKeysAndValues + routerOverFour);
    assert.equal(
      active(mixed('averaged', 6, 3)),
      662_731_776 + routerOverFour / 2,
      'a router over six experts, not four',
    );
  });

  it('are those of published models of other families', () => {
    const shape = { context: 2048, ropeBase: 10000, normEpsilon: 1e-5 };
    const pythia70m: Architecture = {
      ...shape,
      ...{ layers: 6, width: 512, heads: 8, kvHeads: 8, ffnHidden: 2048, vocabulary: 50_304, tiedEmbeddings: false },
      ...{ block: 'parallel-two-norms', ffn: 'gelu', biases: true, rotaryDimensions: 16 },
    };
    const llama2: Architecture = {
      ...shape,
      ...{ layers: 32, width: 4096, heads: 32, kvHeads: 32, ffnHidden: 11_008, vocabulary: 32_000 },
      ...{ tiedEmbeddings: false, block: 'sequential', norm: 'rms' },
    };
    const commandR: Architecture = {
      ...shape,
      ...{ layers: 40, width: 8192, heads: 64, kvHeads: 64, ffnHidden: 22_528, vocabulary: 256_000 },
      ...{ tiedEmbeddings: true, logitScale: 0.0625 },
    };
    const totals = [pythia70m, llama2, commandR].map((architecture) => countParameters(architecture).total);
    assert.deepEqual(totals, [70_426_624, 6_738_415_616, 34_980_831_232]);
    const mixtral = { ...llama2, kvHeads: 8, ffnHidden: 14_336 };
    const mixture = { experts: 8, ffnTopK: 2, gate: 'topk-softmax', attention: 'averaged' } as const;
    assert.deepEqual(countParameters({ ...mixtral, mixture }), { total: 46_702_792_704, active: 12_879_925_248 });
    // Without a gate, a GELU FFN has two products: 2 * 2 * 512 * 2048.
    assert.equal(forwardFlops(pythia70m).ffn, 4_194_304);
  });

  it('are those published for BTX with five to eight experts', () => {
    const millions = [5, 6, 7, 8].map((experts) =>
      (countParameters(mixed('averaged', experts)).total / 1e6).toFixed(1),
    );
    assert.deepEqual(millions, ['738.2', '776.0', '813.7', '851.5']);
    for (const experts of [5, 6, 7, 8]) {
      assert.equal(Math.floor(countParameters(mixed('averaged', experts)).active / 1e6), 587);
    }
    assert.equal(
      countParameters(mixed('averaged', 6, 3)).total,
      countParameters(mixed('averaged', 6)).total,
      'Table 9 prints 700,480,512 for six experts of which three are chosen: that of four',
    );
  });

  it('follow from the shapes: a bigger vocabulary and untied embeddings cost one row each', () => {
    const tied = countParameters({ ...paper, tiedEmbeddings: true }).total;
    assert.equal(countParameters(paper).total - tied, 256_000 * 1024);
    const longer = { ...paper, tiedEmbeddings: true, vocabulary: 256_001 };
    assert.equal(countParameters(longer).total - tied, 1024);
  });
});

describe('FLOPs of a token', () => {
  it('are those of the paper for one layer at a context of 256', () => {
    const btx = forwardFlops(mixed('averaged'));
    const bam = forwardFlops(mixed('kv-experts'));
    assert.equal(btx.attention, 8_912_896);
    assert.equal(bam.attention, 4 * 8_912_896);
    assert.equal(btx.ffn, 12_582_912);
    assert.equal(forwardFlops(mixed('averaged', 6, 3)).ffn, 3 * 12_582_912);
    assert.equal(btx.routers, 8_192);
    assert.equal(bam.routers, 2 * 8_192);
    assert.equal(forwardFlops(paper).routers, 0);
  });

  it('are those of Table 7 in total, which adds 8,192 for each chosen FFN and has six experts scored as four', () => {
    const printed = (architecture: Architecture, chosen: number, router = 0): string => {
      const { attention, ffn, routers } = forwardFlops(architecture);
      return ((attention + ffn + routers + chosen * 8_192 - router) / 1e6).toFixed(2);
    };
    assert.equal(printed(mixed('kv-experts'), 1), '48.26');
    assert.equal(printed(mixed('averaged'), 1), '21.51');
    const scoresOfTwo = 2 * 1024 * 2;
    assert.equal(printed(mixed('averaged', 6, 3), 3, scoresOfTwo), '46.69');
  });

  it('count a shared key and value once', () => {
    const savedProjections = 3 * 2 * (2 * 1024 * 1024);
    const [own, shared] = [forwardFlops(mixed('kv-experts')), forwardFlops(mixed('shared-kv'))];
    assert.equal(own.attention - shared.attention, savedProjections);
  });

  it('add up to the whole model, and training costs three forward passes', () => {
    const { attention, ffn, total } = forwardFlops(paper);
    assert.equal(total, 6 * (attention + ffn) + 2 * 1024 * 256_000);
    assert.equal(trainingFlops(paper), 3 * total);
  });
});

describe('counts of other routing', () => {
  const change = (architecture: Architecture, changes: Partial<MixtureArchitecture>): Architecture => ({
    ...architecture,
    mixture: { ...architecture.mixture!, ...changes },
  });
  const ffnParameters = 3 * 1024 * 2048;

  it('have soft FFNs compute every expert', () => {
    const soft = change(mixed('averaged'), { ffnRouting: 'soft', ffnTopK: 4 });
    const { total, active } = countParameters(soft);
    assert.equal(active, total);
    assert.equal(forwardFlops(soft).ffn, 4 * 12_582_912);
    assert.equal(forwardFlops(soft).total - forwardFlops(mixed('averaged')).total, 6 * 3 * 12_582_912);
  });

  it('have sampled FFNs compute every expert in layer 0 alone', () => {
    const sampled = change(mixed('averaged'), { ffnRouting: 'sample-top-1' });
    const top1 = mixed('averaged');
    assert.equal(countParameters(sampled).active - countParameters(top1).active, 3 * ffnParameters);
    assert.equal(forwardFlops(sampled).ffn, 12_582_912);
    assert.equal(forwardFlops(sampled).total - forwardFlops(top1).total, 3 * 12_582_912);
  });

  it('leave out queries and outputs of attention experts that are not chosen, but no keys and values', () => {
    const square = 1024 * 1024;
    for (const kind of ['kv-experts', 'shared-kv'] as const) {
      const soft = mixed(kind);
      const two = change(soft, { attentionTopK: 2 });
      assert.equal(countParameters(two).total, countParameters(soft).total);
      assert.equal(countParameters(soft).active - countParameters(two).active, 6 * 2 * (2 * square));
      const saved = 2 * (2 * 2 * square + 2 * 256 * 1024);
      assert.equal(forwardFlops(soft).attention - forwardFlops(two).attention, saved, kind);
      assert.equal(forwardFlops(soft).total - forwardFlops(two).total, 6 * saved);
    }
  });
});

describe('parameters of a model', () => {
  const small = denseArchitecture(
    modelSchema.parse({ layers: 1, width: 8, heads: 4, kvHeads: 2, ffnHidden: 6, context: 4 }),
    257,
  );
  const namesAndShapes = (architecture: Architecture) =>
    Object.fromEntries(parameterSpecs(architecture).map(({ name, shape }) => [name, shape]));

  it('have fewer key and value rows with grouped heads', () => {
    assert.deepEqual(namesAndShapes(small), {
      'embedding.weight': [257, 8],
      'layers.0.norm.weight': [8],
      'layers.0.attention.query.weight': [8, 8],
      'layers.0.attention.key.weight': [4, 8],
      'layers.0.attention.value.weight': [4, 8],
      'layers.0.attention.output.weight': [8, 8],
      'layers.0.ffn.gate.weight': [6, 8],
      'layers.0.ffn.up.weight': [6, 8],
      'layers.0.ffn.down.weight': [8, 6],
      'norm.weight': [8],
    });
  });

  it('have an expert of each kind and two routers with BAM, one copy of what is shared', () => {
    const mixture: MixtureArchitecture = { experts: 2, ffnTopK: 1, gate: 'softmax-topk', attention: 'shared-kv' };
    const found = namesAndShapes({ ...small, mixture });
    assert.deepEqual(found['layers.0.attention.router.weight'], [2, 8]);
    assert.deepEqual(found['layers.0.ffn.router.weight'], [2, 8]);
    assert.deepEqual(found['layers.0.attention.experts.1.query.weight'], [8, 8]);
    assert.deepEqual(found['layers.0.attention.key.weight'], [4, 8]);
    assert.deepEqual(found['layers.0.ffn.experts.1.down.weight'], [8, 6]);
    const own = namesAndShapes({ ...small, mixture: { ...mixture, attention: 'kv-experts' } });
    assert.deepEqual(own['layers.0.attention.experts.1.key.weight'], [4, 8]);
    assert.equal(own['layers.0.attention.key.weight'], undefined);
    const btx = namesAndShapes({ ...small, mixture: { ...mixture, attention: 'averaged' } });
    assert.equal(btx['layers.0.attention.router.weight'], undefined);
    assert.deepEqual(btx['layers.0.attention.query.weight'], [8, 8]);
  });

  it('are told apart by the part of the model that they belong to, biases with their matrices and norms', () => {
    const neox: Architecture = { ...mixed('kv-experts'), block: 'sequential', ffn: 'gelu', biases: true };
    const parts = new Map(parameterSpecs(neox).map((spec) => [spec.name, partOf(spec)]));
    for (const [name, part] of [
      ['layers.0.attention.norm.bias', 'norms'],
      ['layers.0.ffn.norm.bias', 'norms'],
      ['norm.bias', 'norms'],
      ['layers.0.attention.experts.1.query.bias', 'attention'],
      ['layers.0.attention.experts.1.output.bias', 'attention'],
      ['layers.0.ffn.experts.3.down.bias', 'experts'],
      ['layers.0.ffn.router.weight', 'routers'],
    ] as const) {
      assert.equal(parts.get(name), part, name);
    }
    const dense = parameterSpecs({ ...neox, mixture: undefined } as Architecture);
    assert.equal(partOf(dense.find(({ name }) => name === 'layers.0.ffn.up.bias')!), undefined);
  });

  it('have a bias for each FFN router where it balances the load', () => {
    const mixture: MixtureArchitecture = { experts: 2, ffnTopK: 1, gate: 'softmax-topk', attention: 'kv-experts' };
    const biased: Architecture = { ...small, mixture: { ...mixture, router: { balanceBias: 1e-3 } } };
    assert.deepEqual(namesAndShapes(biased)['layers.0.ffn.router.bias'], [2]);
    const [without, withBias] = [countParameters({ ...small, mixture }), countParameters(biased)];
    assert.deepEqual(withBias, { total: without.total + 2, active: without.active + 2 });
    assert.deepEqual(forwardFlops(biased), forwardFlops({ ...small, mixture }));
  });

  it('have unique names, and as many numbers as are counted', () => {
    for (const attention of ['averaged', 'kv-experts', 'shared-kv'] as const) {
      const specs = parameterSpecs(mixed(attention));
      assert.equal(new Set(specs.map(({ name }) => name)).size, specs.length);
      const numbers = specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
      assert.equal(numbers, countParameters(mixed(attention)).total);
    }
  });

  it('have the rows of the tokenizer, unless the file asks for more', () => {
    const model = modelSchema.parse({ layers: 1, width: 8, heads: 2, ffnHidden: 6, context: 4, vocabulary: 300 });
    assert.equal(denseArchitecture(model, 257).vocabulary, 300);
    assert.equal(denseArchitecture(model, 400).vocabulary, 400);
    assert.equal(denseArchitecture(model, 257).kvHeads, 2);
  });
});
