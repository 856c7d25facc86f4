import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { decode, type DecodedTokens } from '../../src/serve/decode';
import { KeyValueCache } from '../../src/serve/kv-cache';
import { decodingModel, disposeModel } from '../../src/serve/model';
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
