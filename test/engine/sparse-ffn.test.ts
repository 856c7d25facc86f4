import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { biasName, ffnName, routerName } from '../../src/architecture/parameters';
import { startBackend } from '../../src/engine/backend';
import { ffn, ffnWeights } from '../../src/model/ffn';
import { expertFfn } from '../../src/engine/ops/expert-ffn';
import { pairsByExpert, restorePairs } from '../../src/engine/ops/expert-rows';
import { nativeBackend } from '../../src/engine/ops/native';
import { createParameters, disposeParameters, type ModelParameters } from '../../src/model/parameters';
import {
  asMixture,
  assertClose,
  largeValues,
  normal,
  onEveryBackend,
  SMALL,
  VARIANTS,
  withoutLeak,
} from '../support/engine';

/** How one expert's score is shifted, to give it no token or all of them. */
type Shift = { expert: number; by: number } | undefined;

interface SparseCase {
  name: string;
  mixture: Architecture;
  shift?: Shift;
  /** What has to hold of the tokens of each expert, so that the case is what its name says. */
  holds: (assigned: number[]) => boolean;
}

const TOKENS = 30;
const everyBusy = (assigned: number[]): boolean => assigned.every((tokens) => tokens > 0);
const sparseCases: SparseCase[] = [
  { name: 'top 1', mixture: asMixture(SMALL), holds: everyBusy },
  { name: 'top 2', mixture: asMixture(SMALL, { ffnTopK: 2 }), holds: everyBusy },
  {
    name: 'top 3 of a softmax over the chosen',
    mixture: asMixture(SMALL, { ffnTopK: 3, gate: 'topk-softmax' }),
    holds: everyBusy,
  },
  { name: 'top 4 of 4', mixture: asMixture(SMALL, { ffnTopK: 4 }), holds: everyBusy },
  { name: 'GELU with biases', mixture: asMixture({ ...SMALL, ...VARIANTS.neox }), holds: everyBusy },
  {
    name: 'GELU with biases, top 2, an expert without tokens',
    mixture: asMixture({ ...SMALL, ...VARIANTS.neox }, { ffnTopK: 2 }),
    shift: { expert: 2, by: -8 },
    holds: ([, , none]) => none === 0,
  },
  {
    name: 'an expert without tokens',
    mixture: asMixture(SMALL),
    shift: { expert: 2, by: -8 },
    holds: ([, , none]) => none === 0,
  },
  {
    name: 'an expert with all tokens',
    mixture: asMixture(SMALL),
    shift: { expert: 1, by: 8 },
    holds: ([, all]) => all === TOKENS,
  },
  {
    name: 'an expert with all tokens, top 2',
    mixture: asMixture(SMALL, { ffnTopK: 2 }),
    shift: { expert: 3, by: 8 },
    holds: (assigned) => assigned[3] === TOKENS,
  },
];

onEveryBackend('the sparse FFN against all experts and a mask', () => {
  for (const test of sparseCases) {
    it(`${test.name}: output, and gradients of input, router and experts`, () => {
      withoutLeak(() => {
        const parameters = createParameters(test.mixture, routedValues(test));
        const u = tf.tidy(() => tf.variable(inputWithOnes()));
        tf.tidy(() => compareSparse(test, parameters, u));
        disposeParameters(parameters);
        u.dispose();
      });
    });
  }

  it('trains the router even where each token has one expert', () => {
    withoutLeak(() => {
      const mixture = asMixture(SMALL, { ffnTopK: 1 });
      const parameters = createParameters(mixture, largeValues(mixture, 1));
      tf.tidy(() => {
        const gradients = gradientsOf(parameters, () => ffn(mixture, parameters, 0, inputWithOnes()).output);
        const router = gradients.get(routerName(0, 'ffn'))!;
        assert.ok(Math.max(...router.map(Math.abs)) > 0.1, `the router's gradient is ${router.slice(0, 4)}`);
      });
      disposeParameters(parameters);
    });
  });
});

onEveryBackend('pairs that nobody computes', () => {
  it('give rows of zero and no gradient, and leave the others as they are', () => {
    withoutLeak(() => {
      const mixture = asMixture({ ...SMALL, ...VARIANTS.neox });
      const parameters = createParameters(mixture, largeValues(mixture, 1));
      tf.tidy(() => {
        const experts = [0, 1, 2].map((expert) => ffnWeights(mixture, parameters, 0, expert));
        const u = inputWithOnes();
        const all = Array.from({ length: TOKENS }, (_, token) => token % 3);
        const some = all.map((expert, token) => (token % 4 === 1 ? 3 : expert));
        const rows = (chosen: number[]) => (x: tf.Tensor) =>
          expertFfn(x as tf.Tensor2D, tf.tensor1d(chosen, 'int32'), experts);
        const expected = [rows(all)(u), tf.grad(rows(all))(u)];
        const found = [rows(some)(u), tf.grad(rows(some))(u)];
        const isComputed = tf.tensor2d(some.map((expert) => [Number(expert < 3)]));
        expected.forEach((value, i) => assertClose(found[i]!.dataSync(), tf.mul(value, isComputed).dataSync(), 1e-6));
        assert.equal(tf.max(tf.abs(rows(all.map(() => 3))(u))).dataSync()[0], 0);
      });
      disposeParameters(parameters);
    });
  });
});

describe("the rows of native TensorFlow's experts", () => {
  before(() => startBackend('native'));

  const rowsOf = (chosen: number[]): number[][] =>
    tf.tidy(() => {
      const backend = nativeBackend()!;
      const pairs = pairsByExpert(backend, tf.tensor1d(chosen, 'int32'), 3).byExpert;
      const numbers = tf.tensor2d(
        chosen.map((_, place) => place),
        [chosen.length, 1],
      );
      const padded = tf.concat([numbers, tf.zeros<tf.Rank.R2>([1, 1])]);
      const rows = pairs.map((places) => tf.gather(padded, places));
      const restored = restorePairs(
        backend,
        pairs.map((places, expert) => ({ pairs: places, rows: rows[expert]! })),
        chosen.length,
      );
      assert.deepEqual([...restored.dataSync()], [...chosen.keys()]);
      return pairs.map((places) => [...places.dataSync()]);
    });
  const repeat = (expert: number, times: number): number[] => new Array<number>(times).fill(expert);

  it('come in blocks of 64, fillers last; an expert without tokens has none', () => {
    const [first, second, third] = rowsOf([...repeat(0, 65), ...repeat(2, 1)]);
    assert.deepEqual(first, [...Array(65).keys(), ...repeat(66, 63)]);
    assert.deepEqual(second, []);
    assert.deepEqual(third, [65, ...repeat(66, 63)]);
  });

  it('need no fillers where they fill their blocks', () => {
    const found = rowsOf([...repeat(1, 64), ...repeat(0, 128)]);
    assert.deepEqual(
      found.map(({ length }) => length),
      [128, 64, 0],
    );
  });
});

/** Inputs whose first column is 1, so that a router's first column shifts the scores of every token. */
function inputWithOnes(): tf.Tensor2D {
  return tf.tidy(() => tf.concat2d([tf.ones([TOKENS, 1]), normal([TOKENS, SMALL.width - 1], 5) as tf.Tensor2D], 1));
}

function routedValues({ mixture, shift }: SparseCase): Map<string, Float32Array> {
  const values = largeValues(mixture, 1);
  if (shift) values.get(routerName(0, 'ffn'))![shift.expert * mixture.width]! += shift.by;
  return values;
}

/** Gradients of sum(output * random) by parameter name, as plain numbers; those that do not exist are absent. */
function gradientsOf(variables: ReadonlyMap<string, tf.Variable>, output: () => tf.Tensor): Map<string, Float32Array> {
  const { grads } = tf.variableGrads(() => {
    const y = output();
    return tf.sum(tf.mul(y, normal(y.shape, 6))) as tf.Scalar;
  }, [...variables.values()]);
  const found = [...variables].filter(([, variable]) => grads[variable.name]);
  return new Map(found.map(([name, variable]) => [name, grads[variable.name]!.dataSync<'float32'>()]));
}

function compareSparse({ mixture, holds }: SparseCase, parameters: ModelParameters, u: tf.Variable): void {
  const x = u as tf.Tensor as tf.Tensor2D;
  const { output, router } = ffn(mixture, parameters, 0, x);
  const assigned = [...router!.assigned!.dataSync()];
  assert.ok(holds(assigned), `the case is not what it says: tokens of each expert ${assigned}`);
  const chosen = chosenMask(router!.logits!, mixture.mixture!.ffnTopK);
  assertClose(output.dataSync(), maskedFfn(mixture, parameters, x, chosen).dataSync(), 1e-5);
  const variables = new Map([...parameters, ['input', u]]);
  const sparse = gradientsOf(variables, () => ffn(mixture, parameters, 0, x).output);
  const dense = gradientsOf(variables, () => maskedFfn(mixture, parameters, x, chosen));
  for (const [name, expected] of dense) {
    // An expert without tokens has no gradient; that is a gradient of zero.
    assertClose(sparse.get(name) ?? new Float32Array(expected.length), expected, 1e-4, `gradient of ${name}`);
  }
}

/** 1 for the k largest logits of every token, else 0. (tokens, experts). */
function chosenMask(logits: tf.Tensor2D, k: number): tf.Tensor2D {
  const rows = logits.arraySync().map((row) => {
    const smallest = [...row].sort((a, b) => b - a)[k - 1]!;
    return row.map((score) => Number(score >= smallest));
  });
  return tf.tensor2d(rows);
}

/** What the sparse FFN stands for: every expert computes every token, and gates of experts that were not chosen are 0. */
function maskedFfn(
  { mixture, ffn: form }: Architecture,
  parameters: ModelParameters,
  u: tf.Tensor2D,
  chosen: tf.Tensor2D,
): tf.Tensor {
  const weight = (name: string): tf.Tensor2D => parameters.get(name) as tf.Tensor as tf.Tensor2D;
  const times = (x: tf.Tensor, name: string): tf.Tensor => tf.matMul(x as tf.Tensor2D, weight(name), false, true);
  const powers = tf.exp(times(u, routerName(0, 'ffn')));
  const kept = tf.mul(powers, chosen);
  const total = mixture!.gate === 'softmax-topk' ? tf.sum(powers, 1, true) : tf.sum(kept, 1, true);
  const gates = tf.split(tf.div(kept, total), mixture!.experts, 1);
  const outputs = gates.map((gate, expert) => {
    if (form === 'gelu') {
      const projected = (x: tf.Tensor, name: string): tf.Tensor =>
        tf.add(times(x, name), parameters.get(biasName(name))!);
      const raised = projected(u, ffnName(0, 'up', expert));
      const bent = tf.mul(tf.mul(raised, 0.5), tf.add(tf.erf(tf.div(raised, Math.SQRT2)), 1));
      return tf.mul(projected(bent, ffnName(0, 'down', expert)), gate);
    }
    const hidden = times(u, ffnName(0, 'gate', expert));
    const active = tf.mul(tf.mul(hidden, tf.sigmoid(hidden)), times(u, ffnName(0, 'up', expert)));
    return tf.mul(times(active, ffnName(0, 'down', expert)), gate);
  });
  return tf.addN(outputs);
}
