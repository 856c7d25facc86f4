import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { decode, type DecodedTokens } from '../../src/serve/decode';
import { KeyValueCache } from '../../src/serve/kv-cache';
import { decodingModel, disposeModel } from '../../src/serve/model';
import { residentExperts } from '../../src/serve/resident-experts';
import { layerChanges } from '../../src/serve/routing-change';
import type { RoutingChange } from '../../src/plan/serving';
import {
  asMixture,
  assertClose,
  largeValues,
  MODELS,
  onEveryBackend,
  randomBatch,
  SMALL,
  VARIANTS,
} from '../support/engine';
import { logitsOf } from '../support/logits';

type Values = Map<string, Float32Array>;

const removed = { experts: [[1, 2], [3]] };
const molora = { method: 'molora', experts: 3, rank: 2, alpha: 4, parts: ['attention', 'ffn'] } as const;
const mov = { method: 'mov', experts: 3, parts: ['attention', 'ffn'] } as const;

/** What has to decode as it computes whole sequences. */
const CASES: Record<string, Architecture> = {
  ...MODELS,
  'untied embeddings': { ...SMALL, tiedEmbeddings: false },
  'a dense GPT-NeoX': { ...SMALL, ...VARIANTS.neox },
  'a dense Llama': { ...SMALL, ...VARIANTS.llama },
  'a dense Cohere': { ...SMALL, ...VARIANTS.cohere },
  'a mixture of GPT-NeoX': asMixture({ ...SMALL, ...VARIANTS.neox }, { attention: 'shared-kv', ffnTopK: 2 }),
  'a mixture of Llama with kv-experts': asMixture({ ...SMALL, ...VARIANTS.llama }, { attentionTopK: 1 }),
  'a top-k softmax with a gate of one': asMixture(SMALL, { gate: 'topk-softmax', attentionTopK: 3 }),
  'removed experts': asMixture(SMALL, { ffnTopK: 2, pruned: { ...removed, routing: 'zero' } }),
  'masked experts': asMixture(SMALL, { ffnTopK: 2, pruned: { ...removed, routing: 'masked' } }),
  'masked experts of soft FFNs': asMixture(SMALL, {
    ...{ attention: 'averaged', ffnRouting: 'soft', ffnTopK: 4 },
    pruned: { ...removed, routing: 'masked' },
  }),
  'removed experts of soft FFNs': asMixture(SMALL, {
    ...{ attention: 'averaged', ffnRouting: 'soft', ffnTopK: 4 },
    pruned: { ...removed, routing: 'zero' },
  }),
  'gating residuals of masked experts': asMixture(SMALL, {
    ...{ gatingResidual: true, ffnTopK: 2 },
    pruned: { experts: [[], [3]], routing: 'masked' },
  }),
  ...Object.fromEntries(
    (['zero', 'masked'] as const).map((routing) => [
      `experts removed beside zero-computation experts and gating residuals, ${routing}`,
      asMixture(SMALL, {
        ...{ gatingResidual: true, ffnTopK: 2, pruned: { ...removed, routing } },
        zeroComputation: { zero: 1, copy: 1, constant: 2, tau: 0.75 },
      }),
    ]),
  ),
  'MoLoRA on a dense model': { ...SMALL, adapters: { ...molora, parts: [...molora.parts] } },
  'MoLoRA on a mixture': { ...asMixture(SMALL), adapters: { ...molora, parts: [...molora.parts] } },
  'MoV on a dense model': { ...SMALL, adapters: { ...mov, parts: [...mov.parts] } },
  'MoV on a mixture with shared-kv': {
    ...asMixture(SMALL, { attention: 'shared-kv' }),
    adapters: { ...mov, parts: ['attention'] },
  },
  'LoRA of one expert': {
    ...SMALL,
    adapters: { method: 'molora', experts: 1, rank: 2, alpha: 4, parts: ['attention'] },
  },
};

/** Decodes a sequence in chunks of these sizes. */
async function decodeInChunks(
  architecture: Architecture,
  values: Values,
  ids: Int32Array,
  sizes: readonly number[],
  change?: RoutingChange,
): Promise<{ logits: number[]; passes: DecodedTokens[] }> {
  const before = tf.memory().numTensors;
  const model = decodingModel(architecture, values);
  const cache = new KeyValueCache();
  const passes: DecodedTokens[] = [];
  for (const size of sizes) {
    const chunk = [...ids.subarray(cache.positions, cache.positions + size)];
    passes.push(await decode(model, cache, chunk, layerChanges(architecture, change)));
  }
  cache.dispose();
  disposeModel(model);
  assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  return { logits: passes.flatMap(({ logits }) => [...logits]), passes };
}

onEveryBackend('decoding with a cache gives the logits of the full pass', () => {
  for (const [name, architecture] of Object.entries(CASES)) {
    it(name, async () => {
      const values = largeValues(architecture, 3);
      const { inputs } = randomBatch(architecture, 1, 4);
      const expected = logitsOf(architecture, values, inputs);
      for (const sizes of [[12], Array.from({ length: 12 }, () => 1), [5, 4, 1, 2]]) {
        const { logits } = await decodeInChunks(architecture, values, inputs, sizes);
        assertClose(logits, expected, 1e-4, `logits in chunks of ${sizes.join(', ')}`);
      }
    });
  }
});

const SPARSE = asMixture(SMALL, { ffnTopK: 2 });
const OFF = { off: removed.experts.flatMap((experts, layer) => experts.map((expert) => ({ layer, expert }))) };

onEveryBackend('changed routing', () => {
  /** Decodes a changed model, and computes another one that should be the same, which has all tensors of the same names. */
  async function compare(architecture: Architecture, change: RoutingChange, other: Architecture, values: Values) {
    const { inputs } = randomBatch(architecture, 1, 4);
    const expected = logitsOf(other, values, inputs);
    for (const sizes of [[12], [7, 1, 1, 1, 2]]) {
      assertClose((await decodeInChunks(architecture, values, inputs, sizes, change)).logits, expected, 1e-4);
    }
  }

  it('experts that are off are as if they were masked', () =>
    compare(SPARSE, OFF, CASES['masked experts']!, largeValues(SPARSE, 3)));

  it('experts of soft FFNs that are off are as if they were masked', () =>
    compare(MODELS['soft FFNs']!, OFF, CASES['masked experts of soft FFNs']!, largeValues(MODELS['soft FFNs']!, 3)));

  it('a forced expert computes all tokens, with a gate of 1', () => {
    const force = [
      { layer: 0, expert: 2 },
      { layer: 1, expert: 1 },
    ];
    // A softmax over one choice is 1, and a large bias makes it this one.
    const biased = asMixture(SMALL, { gate: 'topk-softmax', router: { balanceBias: 0.01 } });
    const values = largeValues(biased, 3);
    for (const { layer, expert } of force)
      values
        .get(`layers.${layer}.ffn.router.bias`)!
        .fill(0)
        .fill(9, expert, expert + 1);
    return compare(SPARSE, { force }, biased, values);
  });

  it('tokens of a hash expert that is off get nothing', () => {
    const hashed = MODELS['hash routing']!;
    const values = largeValues(hashed, 3);
    const silent = new Map(values);
    silent.set(
      'layers.1.ffn.experts.2.down.weight',
      new Float32Array(values.get('layers.1.ffn.experts.2.down.weight')!.length),
    );
    const { inputs } = randomBatch(hashed, 1, 4);
    const expected = logitsOf(hashed, silent, inputs);
    return decodeInChunks(hashed, values, inputs, [12], { off: [{ layer: 1, expert: 2 }] }).then(({ logits }) =>
      assertClose(logits, expected, 1e-4),
    );
  });

  it('a layer whose experts are all off adds nothing', () => {
    const off = [0, 1, 2, 3].map((expert) => ({ layer: 1, expert }));
    const values = largeValues(SPARSE, 3);
    const silent = new Map(
      [...values].map(([name, value]) => [name, /1\.ffn.*down/.test(name) ? value.map(() => 0) : value]),
    );
    const { inputs } = randomBatch(SPARSE, 1, 4);
    return decodeInChunks(SPARSE, values, inputs, [12], { off }).then(({ logits, passes }) => {
      assertClose(logits, logitsOf(SPARSE, silent, inputs), 1e-4);
      assert.ok(passes[0]!.ffn[1]!.every((chosen) => chosen.length === 0));
    });
  });

  const refused: [string, Architecture, RoutingChange, string][] = [
    ['a dense model', SMALL, { off: [{ layer: 0, expert: 0 }] }, 'dense'],
    ['a layer that is not there', SPARSE, { off: [{ layer: 2, expert: 0 }] }, 'no-such-expert'],
    ['an expert that is not there', SPARSE, { force: [{ layer: 0, expert: 4 }] }, 'no-such-expert'],
    ['a removed expert', CASES['removed experts']!, { force: [{ layer: 0, expert: 1 }] }, 'removed-expert'],
    [
      'two forced experts of a layer',
      SPARSE,
      { force: [0, 1].map((expert) => ({ layer: 0, expert })) },
      'contradiction',
    ],
    ['an expert that is off and forced', SPARSE, { ...OFF, force: [{ layer: 0, expert: 1 }] }, 'contradiction'],
  ];
  for (const [name, architecture, change, reason] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => layerChanges(architecture, change), { name: 'ServingError', reason });
    });
  }
});

onEveryBackend('a source of experts', () => {
  it('is told of a choice before it is asked for the chosen experts alone', async () => {
    const values = largeValues(SPARSE, 3);
    const inner = residentExperts(SPARSE, values);
    const told: string[] = [];
    const model = decodingModel(SPARSE, values, {
      ...inner,
      prepare: ({ layer, position, chosen }) => {
        told.push(
          `${layer} at ${position}: ${JSON.stringify(chosen.map((token) => token.map(({ expert }) => expert)))}`,
        );
        return Promise.resolve();
      },
      ffn: (layer, expert, rows, gates) => {
        told.push(`${layer}: ${expert} of ${rows.shape[0]} with ${gates.length}`);
        return inner.ffn(layer, expert, rows, gates);
      },
    });
    const cache = new KeyValueCache();
    const changes = layerChanges(SPARSE);
    await decode(model, cache, [1, 2, 3], changes);
    told.splice(0);
    const { ffn } = await decode(model, cache, [4], changes);
    const expected = ffn.flatMap(([chosen], layer) => [
      `${layer} at 3: ${JSON.stringify([chosen!.map(({ expert }) => expert)])}`,
      ...chosen!
        .map(({ expert }) => expert)
        .sort((a, b) => a - b)
        .map((expert) => `${layer}: ${expert} of 1 with 1`),
    ]);
    assert.deepEqual(told, expected);
    cache.dispose();
    disposeModel(model);
  });
});
