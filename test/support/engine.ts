import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture, MixtureArchitecture } from '../../src/architecture/architecture';
import { elementCount, parameterSpecs } from '../../src/architecture/parameters';
import { deriveSeed, normalValues, uniformGenerator } from '../../src/base/random';
import { startBackend } from '../../src/engine/backend';
import { drawRouting } from '../../src/model/draws';
import type { TrainingBatch } from '../../src/train/step';

/** Runs the same tests on native TensorFlow and on wasm. `npm test` installs the native runtime beforehand. */
export function onEveryBackend(title: string, tests: () => void): void {
  for (const kind of ['native', 'wasm'] as const) {
    describe(`${title} (${kind})`, () => {
      before(async () => {
        await startBackend(kind);
      });
      tests();
    });
  }
}

/** Asserts that two lists of numbers agree to an absolute tolerance; names the place of the largest difference. */
export function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what = 'value') {
  assert.equal(actual.length, expected.length, `${what}: length`);
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Number.isFinite(actual[i]!), `${what}[${i}] is ${actual[i]}`);
    if (Math.abs(actual[i]! - expected[i]!) > Math.abs(actual[worst]! - expected[worst]!)) worst = i;
  }
  if (!actual.length) return;
  const difference = Math.abs(actual[worst]! - expected[worst]!);
  assert.ok(
    difference <= tolerance,
    `${what}[${worst}]: ${actual[worst]} is not ${expected[worst]} (off by ${difference})`,
  );
}

/** Runs a check and fails if it leaves tensors behind. */
export function withoutLeak<T>(check: () => T): T {
  const before = tf.memory().numTensors;
  const result = check();
  assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  return result;
}

/** Random numbers that are the same in every run and on every backend. */
export function normal(shape: number[], seed: number, deviation = 1): tf.Tensor {
  return tf.tensor(normalValues(seed, elementCount(shape), deviation), shape, 'float32');
}

/** A model small enough for a test of milliseconds, with two query heads to a key head. */
export const SMALL: Architecture = {
  layers: 2,
  width: 16,
  heads: 4,
  kvHeads: 2,
  ffnHidden: 24,
  context: 12,
  vocabulary: 40,
  tiedEmbeddings: true,
  ropeBase: 10000,
  normEpsilon: 1e-5,
};

/** `dense` as a mixture: BAM with an attention expert each and top-1 FFN experts unless the changes say otherwise. */
export function asMixture(dense: Architecture, changes: Partial<MixtureArchitecture> = {}): Architecture {
  return {
    ...dense,
    mixture: { experts: 4, ffnTopK: 1, gate: 'softmax-topk', attention: 'kv-experts', ...changes },
  };
}

/** The kinds of model that training meets. */
export const MODELS: Record<string, Architecture> = {
  dense: SMALL,
  btx: asMixture(SMALL, { attention: 'averaged', ffnTopK: 2, gate: 'topk-softmax' }),
  'bam with kv-experts': asMixture(SMALL),
  'bam with shared-kv': asMixture(SMALL, { attention: 'shared-kv', ffnTopK: 2 }),
  'soft FFNs': asMixture(SMALL, { attention: 'averaged', ffnRouting: 'soft', ffnTopK: 4 }),
  'a balance bias': asMixture(SMALL, { attention: 'averaged', ffnTopK: 2, router: { balanceBias: 0.01 } }),
  'sampled FFNs': asMixture(SMALL, { attention: 'averaged', ffnRouting: 'sample-top-1', router: { noise: 0.1 } }),
  'hash routing': asMixture(SMALL, { attention: 'averaged', ffnRouting: 'hash', hashSeed: 7 }),
  'zero-computation experts': asMixture(SMALL, {
    attention: 'averaged',
    ffnTopK: 2,
    zeroComputation: { zero: 1, copy: 1, constant: 2, tau: 0.75 },
    gatingResidual: true,
  }),
  'zero-computation experts with a capacity': asMixture(SMALL, {
    zeroComputation: { zero: 1, copy: 1, constant: 1, tau: 0.5, capacity: 0.7 },
  }),
  'two of four attention experts': asMixture(SMALL, { attentionTopK: 2, router: { normalizeLogits: 1 } }),
};

/** In what the models of other families differ from ours. */
export const VARIANTS = {
  neox: { kvHeads: 4, block: 'parallel-two-norms', ffn: 'gelu', biases: true, rotaryDimensions: 2 },
  llama: { block: 'sequential', norm: 'rms' },
  cohere: { logitScale: 0.5 },
} as const satisfies Record<string, Partial<Architecture>>;

/** Parameters far larger than initial ones, so that every part of the model shows in its output. */
export function largeValues(architecture: Architecture, seed: number): Map<string, Float32Array> {
  return new Map(
    parameterSpecs(architecture).map(({ name, shape, role }) => {
      const noise = normalValues(deriveSeed(seed, name), elementCount(shape), role === 'norm' ? 0.1 : 0.3);
      return [name, role === 'norm' ? noise.map((value) => 1 + value) : noise];
    }),
  );
}

/** A mixture whose experts all are the dense model with these values; its routers are random. */
export function equalExperts(dense: Map<string, Float32Array>, mixture: Architecture, seed: number) {
  const random = largeValues(mixture, seed);
  return new Map([...random].map(([name, own]) => [name, dense.get(name.replace(/experts\.\d+\./, '')) ?? own]));
}

/** Random token ids, with targets that are the next ids, and what routers draw. */
export function randomBatch(architecture: Architecture, sequences: number, seed: number): TrainingBatch {
  const { context, vocabulary } = architecture;
  const draws = drawRouting(architecture, sequences * context, { seed, step: 0, pass: 0 });
  const uniform = uniformGenerator(seed);
  const ids = Int32Array.from({ length: sequences * (context + 1) }, () => Math.floor(uniform() * vocabulary));
  const rows = (shift: number): Int32Array =>
    Int32Array.from({ length: sequences * context }, (_, i) => {
      return ids[Math.floor(i / context) * (context + 1) + (i % context) + shift]!;
    });
  return { inputs: rows(0), targets: rows(1), draws };
}
