import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { BamError } from '../../src/base/errors';
import { denseFfn } from '../../src/engine/ops/ffn-forms';
import { byteValues, nibbleValues } from '../../src/engine/ops/packed-bytes';
import { ffnWeights } from '../../src/model/ffn';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import { type ExpertTensors, decodeExpert, encodeExpert } from '../../src/offload/encode';
import { expertLayout } from '../../src/offload/layout';
import { type ExpertFolder, openExpertFolder } from '../../src/offload/open-folder';
import { policyNamed } from '../../src/offload/policies';
import { CACHE_POLICIES, PRECISIONS } from '../../src/base/offload-words';
import type { OffloadCounts } from '../../src/offload/scheduler';
import { writeExpertFolder } from '../../src/offload/write-folder';
import { decode } from '../../src/serve/decode';
import type { ExpertSource } from '../../src/serve/experts';
import { KeyValueCache } from '../../src/serve/kv-cache';
import { decodingModel, disposeModel } from '../../src/serve/model';
import { OffloadedExperts, type OffloadOptions } from '../../src/serve/offloaded-experts';
import { layerChanges } from '../../src/serve/routing-change';
import { memoryBytes, storedExpert } from '../../src/serve/stored-expert';
import {
  asMixture,
  assertClose,
  largeValues,
  normal,
  onEveryBackend,
  randomBatch,
  SMALL,
  VARIANTS,
} from '../support/engine';

const WEIGHTS = { lru: 0.25, lfu: 0.25, lhu: 0.25, fld: 0.25 };
const TOP_2 = asMixture(SMALL, { ffnTopK: 2, gate: 'topk-softmax', attention: 'averaged' });
const MODELS: Record<string, Architecture> = {
  'top 2': TOP_2,
  'GELU with biases': asMixture({ ...SMALL, ...VARIANTS.neox }, { ffnTopK: 2 }),
  'zero-computation experts': asMixture(SMALL, {
    ...{ attention: 'averaged', ffnTopK: 2, gatingResidual: true },
    zeroComputation: { zero: 1, copy: 1, constant: 1, tau: 0.75 },
  }),
  'hash routing': asMixture(SMALL, { attention: 'averaged', ffnRouting: 'hash', hashSeed: 7 }),
  'masked experts': asMixture(SMALL, {
    ...{ ffnTopK: 2, pruned: { experts: [[1, 2], [3]], routing: 'masked' } },
  }),
};

/** The logits of two texts: a prompt of 5, and single tokens. */
async function decoded(architecture: Architecture, experts?: ExpertSource): Promise<number[]> {
  const model = decodingModel(architecture, largeValues(architecture, 3), experts);
  const logits: number[] = [];
  for (const text of [0, 1]) {
    const ids = [...randomBatch(architecture, 1, 20 + text).inputs];
    const cache = new KeyValueCache();
    for (const size of [5, 1, 1, 1, 1, 1]) {
      const chunk = ids.slice(cache.positions, cache.positions + size);
      logits.push(...(await decode(model, cache, chunk, layerChanges(architecture))).logits);
    }
    cache.dispose();
  }
  disposeModel(model);
  return logits;
}

onEveryBackend('bytes', () => {
  it('become numbers, and so do their halves', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => (i * 7) % 256);
    const words = tf.tensor1d(new Int32Array(bytes.buffer), 'int32');
    assert.deepEqual([...byteValues(words).dataSync()], [...bytes]);
    const halves = [...Array.from(bytes, (byte) => byte & 15), ...Array.from(bytes, (byte) => byte >> 4)];
    assert.deepEqual([...nibbleValues(words).dataSync()], halves);
  });

  it('of an expert compute what its stored weights say, with a scale a group or a row', () => {
    for (const shape of [SMALL, { ...SMALL, ...VARIANTS.neox }, { ...SMALL, width: 24, ffnHidden: 7 }]) {
      for (const [precision, group] of PRECISIONS.flatMap((one) => [[one, 8] as const, [one, 64] as const])) {
        const architecture = asMixture({ ...SMALL, ...shape });
        const layout = expertLayout(shape, precision, group);
        const values = largeValues(architecture, 2);
        const of = (projection: string, kind: string): Float32Array =>
          values.get(`layers.1.ffn.experts.2.${projection}.${kind}`)!;
        const tensors: ExpertTensors = {
          weights: Object.fromEntries(layout.matrices.map(({ projection }) => [projection, of(projection, 'weight')])),
          biases: Object.fromEntries(layout.biases.map(({ projection }) => [projection, of(projection, 'bias')])),
        };
        const bytes = encodeExpert(layout, tensors, 'It');
        const { weights, biases } = decodeExpert(layout, bytes);
        for (const [projection, own] of Object.entries(weights)) {
          values.set(`layers.1.ffn.experts.2.${projection}.weight`, own);
        }
        for (const [projection, own] of Object.entries(biases)) {
          values.set(`layers.1.ffn.experts.2.${projection}.bias`, own);
        }
        const parameters = createParameters(architecture, values);
        const before = tf.memory().numTensors;
        const stored = storedExpert(layout, bytes);
        tf.tidy(() => {
          const rows = normal([3, architecture.width], 4) as tf.Tensor2D;
          const expected = denseFfn(rows, ffnWeights(architecture, parameters, 1, 2)).dataSync();
          assertClose(stored.ffn(rows).dataSync(), expected, 2e-5, `${precision}, groups of ${group}`);
        });
        stored.dispose();
        assert.equal(tf.memory().numTensors, before);
        disposeParameters(parameters);
        assert.equal(memoryBytes(layout) === layout.bytes, precision !== 'float16');
      }
    }
  });
});

onEveryBackend('offloaded experts', () => {
  let folder: string;
  const opened: ExpertFolder[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-offloaded-'));
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    rmSync(folder, { recursive: true });
  });

  const open = async (architecture: Architecture): Promise<ExpertFolder> => {
    const to = join(folder, `experts-${opened.length}`);
    const source = { stage: 'bam', key: 'k', step: 1 };
    const parameters = largeValues(architecture, 3);
    writeExpertFolder({ architecture, parameters, source, to, precisions: PRECISIONS, group: 8 });
    opened.push(await openExpertFolder(to));
    return opened.at(-1)!;
  };
  /** A budget of so many experts in float32. */
  const withRoom = (experts: ExpertFolder, count: number, changes: Partial<OffloadOptions> = {}): OffloadedExperts =>
    new OffloadedExperts(experts, {
      budget: count * experts.layout('float32').bytes,
      policy: policyNamed('hobbit', WEIGHTS),
      ...{ high: 'float32', lowShare: 0.2, prefetch: 0 },
      ...changes,
    });

  for (const [name, architecture] of Object.entries(MODELS)) {
    it(`decode as resident ones do, with room for one and whatever the policy is: ${name}`, async () => {
      const experts = await open(architecture);
      const expected = await decoded(architecture);
      const before = tf.memory().numTensors;
      for (const policy of name === 'top 2' ? CACHE_POLICIES : (['hobbit', 'on-demand'] as const)) {
        for (const [room, prefetch] of [
          [1, 0],
          [3, 2],
        ] as const) {
          const source = withRoom(experts, room, { policy: policyNamed(policy, WEIGHTS), prefetch });
          assert.deepEqual(await decoded(architecture, source), expected, `${policy}, ${room}`);
        }
      }
      assert.equal(tf.memory().numTensors, before, 'tensors left behind');
    });
  }

  it('are close in float16 and int8', async () => {
    const experts = await open(TOP_2);
    const expected = await decoded(TOP_2);
    assertClose(await decoded(TOP_2, withRoom(experts, 2, { high: 'float16' })), expected, 0.01);
    const difference = (found: number[]): number =>
      Math.sqrt(found.reduce((sum, value, i) => sum + (value - expected[i]!) ** 2, 0) / found.length);
    const int8 = difference(await decoded(TOP_2, withRoom(experts, 2, { high: 'int8' })));
    const int4 = difference(await decoded(TOP_2, withRoom(experts, 2, { high: 'int4' })));
    assert.ok(int8 > 0 && int8 < 0.05, `int8: ${int8}`);
    assert.ok(int4 > 5 * int8, `int4: ${int4}, int8: ${int8}`);
  });

  it('count what they did, and load less in low precision', async () => {
    const experts = await open(TOP_2);
    const run = async (changes: Partial<OffloadOptions>): Promise<OffloadCounts> => {
      const source = withRoom(experts, 5, changes);
      await decoded(TOP_2, source);
      const counts = source.takeCounts();
      assert.equal(source.takeCounts().hits, 0);
      return counts;
    };
    const onDemand = await run({ policy: policyNamed('on-demand', WEIGHTS) });
    const { bytes } = experts.layout('float32');
    assert.equal(onDemand.hits, 0);
    // Two texts of 10 tokens, two layers, two experts a token.
    assert.equal(onDemand.misses.high, 2 * 10 * 2 * 2);
    assert.equal(onDemand.bytes, onDemand.penalty * bytes);
    const lru = await run({ policy: policyNamed('lru', WEIGHTS) });
    assert.ok(lru.hits > 0 && lru.bytes < onDemand.bytes);
    assert.equal(lru.hits + lru.misses.high, onDemand.misses.high);
    const dynamic = await run({ low: 'int4', thresholds: { t1: 0.55, t2: 0.9 }, policy: policyNamed('lru', WEIGHTS) });
    assert.ok(dynamic.misses.low > 0 && dynamic.bytes < lru.bytes);
    const ahead = await run({ policy: policyNamed('lru', WEIGHTS), prefetch: 1, link: 1e8 });
    assert.ok(ahead.prefetches > 0 && ahead.foreseen + ahead.hits > lru.hits);
  });

  it('leave out what matters least, and weigh the others up', async () => {
    const experts = await open(TOP_2);
    // Beyond T2 is every second expert that is not there: alone it has the gate of both.
    const source = withRoom(experts, 1.5, {
      ...{ low: 'int4', thresholds: { t1: 0, t2: 0 }, lowShare: 0.1 },
      policy: policyNamed('on-demand', WEIGHTS),
    });
    const found = await decoded(TOP_2, source);
    const counts = source.takeCounts();
    assert.ok(counts.skipped > 0);
    const top1 = { ...TOP_2, mixture: { ...TOP_2.mixture!, ffnTopK: 1 } };
    // In a prompt others may want what a token would leave out.
    const single = found.slice(5 * SMALL.vocabulary, 6 * SMALL.vocabulary);
    assert.equal(single.length, SMALL.vocabulary);
    const rest = withRoom(experts, 1.5, { policy: policyNamed('on-demand', WEIGHTS) });
    const ids = [...randomBatch(TOP_2, 1, 20).inputs];
    const logitsOf = async (architecture: Architecture, from: OffloadedExperts): Promise<Float32Array> => {
      const model = decodingModel(architecture, largeValues(TOP_2, 3), from);
      const cache = new KeyValueCache();
      const { logits } = await decode(model, cache, ids.slice(0, 1), layerChanges(architecture));
      cache.dispose();
      disposeModel(model);
      return logits;
    };
    const left = withRoom(experts, 1.5, {
      ...{ low: 'int4', thresholds: { t1: 0, t2: 0 }, lowShare: 0.1 },
      policy: policyNamed('on-demand', WEIGHTS),
    });
    assertClose(await logitsOf(TOP_2, left), await logitsOf(top1, rest), 1e-5);
  });

  it('take the time of an emulated link', async () => {
    const experts = await open(TOP_2);
    const { bytes } = experts.layout('float32');
    // 2 ms an expert.
    const link = bytes / 0.002;
    const source = withRoom(experts, 4, { policy: policyNamed('on-demand', WEIGHTS), link });
    const begun = performance.now();
    await decoded(TOP_2, source);
    const counts = source.takeCounts();
    assert.ok(performance.now() - begun >= (2 * counts.bytes) / bytes);
  });

  it('say which expert is damaged, and what a budget must hold', async () => {
    const experts = await open(TOP_2);
    const file = join(folder, 'experts-0', 'experts-float32.bin');
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(1));
    await assert.rejects(
      decoded(TOP_2, withRoom(experts, 2)),
      (error) =>
        error instanceof BamError && /FFN expert \d of layer 0 in float32 should have the checksum/.test(error.message),
    );
    assert.throws(() => withRoom(experts, 0.9), { reason: 'budget' });
  });
});
