import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { causalAttention, causalMask } from '../../src/engine/ops/causal-attention';
import { crossEntropy } from '../../src/engine/ops/cross-entropy';
import { headLoss } from '../../src/engine/ops/head-loss';
import { gelu } from '../../src/engine/ops/gelu';
import { layerNorm, rmsNorm } from '../../src/engine/ops/layer-norm';
import { linear } from '../../src/engine/ops/linear';
import { rotaryRows, rotaryTable, rotate } from '../../src/engine/ops/rotary';
import { embed, permuteRows } from '../../src/engine/ops/rows';
import { swiglu } from '../../src/engine/ops/swiglu';
import { keepTop, routerScores } from '../../src/model/routing';
import { assertClose, normal, onEveryBackend, withoutLeak } from '../support/engine';

/** An operation of ours, and the same written without any operation of ours. */
interface Case {
  name: string;
  /** Shape and standard deviation of every input that has a gradient. */
  inputs: [shape: number[], deviation: number][];
  own: (inputs: tf.Tensor[]) => tf.Tensor;
  plain: (inputs: tf.Tensor[]) => tf.Tensor;
}

const EPSILON = 0.05; // large enough to show
const IDS = [3, 0, 3, 5, 3, 1, 5]; // some several times, 2 and 4 never
const WEIGHTS = [0.5, 0, 0.25, 1, 0, 2, 0.1];
const ORDER = [4, 0, 5, 2, 1, 3];
const INVERSE = [1, 4, 3, 5, 0, 2];

const cases: Case[] = [
  {
    name: 'linear',
    inputs: [
      [[6, 5], 1],
      [[4, 5], 1],
    ],
    own: ([x, weight]) => linear(x as tf.Tensor2D, weight as tf.Tensor2D),
    plain: ([x, weight]) => tf.sum(tf.mul(tf.expandDims(x!, 1), tf.expandDims(weight!, 0)), 2),
  },
  {
    name: 'layerNorm',
    inputs: [
      [[5, 8], 1],
      [[8], 1],
    ],
    // Rows far from zero mean and of unlike size.
    own: ([x, scale]) => layerNorm(spread(x!), scale as tf.Tensor1D, EPSILON),
    plain: ([x, scale]) => {
      const { mean, variance } = tf.moments(spread(x!), 1, true);
      return tf.mul(tf.div(tf.sub(spread(x!), mean), tf.sqrt(tf.add(variance, EPSILON))), scale!);
    },
  },
  {
    name: 'rmsNorm',
    inputs: [
      [[5, 8], 1],
      [[8], 1],
    ],
    own: ([x, scale]) => rmsNorm(spread(x!), scale as tf.Tensor1D, EPSILON),
    plain: ([x, scale]) => {
      const root = tf.sqrt(tf.add(tf.mean(tf.square(spread(x!)), 1, true), EPSILON));
      return tf.mul(tf.div(spread(x!), root), scale!);
    },
  },
  {
    name: 'gelu',
    inputs: [[[5, 7], 2]],
    own: ([x]) => gelu(x!),
    plain: ([x]) => tf.mul(tf.mul(x!, 0.5), tf.add(tf.erf(tf.div(x!, Math.SQRT2)), 1)),
  },
  {
    name: 'swiglu',
    inputs: [
      [[5, 7], 2],
      [[5, 7], 1],
    ],
    own: ([gate, up]) => swiglu(gate as tf.Tensor2D, up as tf.Tensor2D),
    plain: ([gate, up]) => tf.mul(tf.div(gate!, tf.add(1, tf.exp(tf.neg(gate!)))), up!),
  },
  rotaryCase('rotate', (x) => plainRotation(x, 100)),
  rotaryCase(
    'rotate, of some dimensions only',
    (x) => {
      // Pairs (0, 4) and (1, 5) turn as a head of four dimensions would; the rest stays.
      const part = (from: number): tf.Tensor => tf.slice(x, [0, 0, from], [-1, -1, 2]);
      const turned = plainRotation(tf.concat([part(0), part(4)], 2), 100);
      const [first, second] = tf.split(turned, 2, 2) as [tf.Tensor, tf.Tensor];
      return tf.concat([first, part(2), second, part(6)], 2);
    },
    4,
  ),
  attentionCase('one query head a key head', [2, 3, 1, 6, 4]),
  attentionCase('grouped queries', [2, 2, 3, 5, 4]),
  attentionCase('queries in two blocks', [1, 2, 1, 130, 2]),
  attentionCase('grouped queries in four blocks that do not divide the context', [1, 1, 2, 514, 2]),
  {
    name: 'crossEntropy',
    inputs: [[[7, 6], 2]],
    own: ([logits]) => crossEntropy(logits as tf.Tensor2D, tf.tensor1d(IDS, 'int32')),
    plain: ([logits]) => tf.neg(tf.sum(tf.mul(oneHot(IDS, 6), tf.log(tf.softmax(logits!))), 1)),
  },
  {
    name: 'headLoss',
    inputs: [
      [[7, 5], 2],
      [[6, 5], 2],
    ],
    own: ([x, head]) => headLoss(x as tf.Tensor2D, head as tf.Tensor2D, tf.tensor1d(IDS, 'int32')),
    plain: ([x, head]) => {
      const logits = tf.matMul(x as tf.Tensor2D, head as tf.Tensor2D, false, true);
      return tf.neg(tf.mean(tf.sum(tf.mul(oneHot(IDS, 6), tf.log(tf.softmax(logits))), 1)));
    },
  },
  {
    name: 'headLoss with weights',
    inputs: [
      [[7, 5], 2],
      [[6, 5], 2],
    ],
    own: ([x, head]) => {
      return headLoss(x as tf.Tensor2D, head as tf.Tensor2D, tf.tensor1d(IDS, 'int32'), tf.tensor1d(WEIGHTS));
    },
    plain: ([x, head]) => {
      const logits = tf.matMul(x as tf.Tensor2D, head as tf.Tensor2D, false, true);
      const losses = tf.neg(tf.sum(tf.mul(oneHot(IDS, 6), tf.log(tf.softmax(logits))), 1));
      return tf.sum(tf.mul(losses, WEIGHTS));
    },
  },
  {
    name: 'linear with wide rows in, as native TensorFlow pads them',
    inputs: [
      [[3, 1024], 0.1],
      [[4, 1024], 0.1],
    ],
    own: ([x, weight]) => linear(x as tf.Tensor2D, weight as tf.Tensor2D),
    plain: ([x, weight]) => tf.sum(tf.mul(tf.expandDims(x!, 1), tf.expandDims(weight!, 0)), 2),
  },
  {
    name: 'linear with wide rows out',
    inputs: [
      [[3, 4], 1],
      [[1024, 4], 1],
    ],
    own: ([x, weight]) => linear(x as tf.Tensor2D, weight as tf.Tensor2D),
    plain: ([x, weight]) => tf.sum(tf.mul(tf.expandDims(x!, 1), tf.expandDims(weight!, 0)), 2),
  },
  {
    name: 'embed',
    inputs: [[[6, 5], 1]],
    own: ([table]) => embed(table as tf.Tensor2D, tf.tensor1d(IDS, 'int32')),
    plain: ([table]) => tf.matMul(oneHot(IDS, 6), table as tf.Tensor2D),
  },
  {
    name: 'normalised logits of a router',
    inputs: [
      [[6, 5], 1],
      [[4, 5], 1],
    ],
    own: ([u, weight]) => routerScores(u as tf.Tensor2D, weight as tf.Tensor2D, 1.5).logits,
    plain: ([u, weight]) => {
      const { mean, variance } = tf.moments(tf.matMul(u!, weight!, false, true), 1, true);
      const centred = tf.sub(tf.matMul(u!, weight!, false, true), mean);
      return tf.mul(tf.div(centred, tf.sqrt(tf.add(variance, 1e-6))), 1.5);
    },
  },
  ...(['softmax-topk', 'topk-softmax'] as const).map((gate): Case => ({
    name: `keepTop, ${gate}`,
    inputs: [[[6, 5], 2]],
    own: ([logits]) => keepTop(tf.softmax(logits as tf.Tensor2D), 2, gate).gates,
    plain: ([logits]) => {
      const kept = tf.tensor2d((logits!.arraySync() as number[][]).map(twoLargest));
      const powers = tf.exp(logits!);
      const whole = gate === 'softmax-topk' ? powers : tf.mul(powers, kept);
      return tf.div(tf.mul(powers, kept), tf.sum(whole, 1, true));
    },
  })),
  {
    name: 'permuteRows',
    inputs: [[[6, 5], 1]],
    own: ([rows]) => {
      return permuteRows(rows as tf.Tensor2D, tf.tensor1d(ORDER, 'int32'), tf.tensor1d(INVERSE, 'int32'));
    },
    plain: ([rows]) => tf.matMul(oneHot(ORDER, 6), rows as tf.Tensor2D),
  },
];

/** Scores of queries against keys: three heads of 8 dimensions, 6 positions; inputs are (heads * D, T), as if the weights had made them. */
function rotaryCase(name: string, plainTurn: (heads: tf.Tensor) => tf.Tensor, turned?: number): Case {
  const heads = (x: tf.Tensor): tf.Tensor => tf.transpose(tf.reshape(x, [3, 8, 6]), [0, 2, 1]);
  const scores = (q: tf.Tensor, k: tf.Tensor): tf.Tensor => tf.matMul(q, k, false, true);
  return {
    name,
    inputs: [
      [[24, 6], 0.5],
      [[24, 6], 0.5],
    ],
    own: ([q, k]) => {
      const table = rotaryTable(6, 8, 100, turned);
      return scores(rotate(heads(rotaryRows(q!, 8)), table, 0.7), rotate(heads(rotaryRows(k!, 8)), table));
    },
    plain: ([q, k]) => tf.mul(scores(plainTurn(heads(q!)), plainTurn(heads(k!))), 0.7),
  };
}

function attentionCase(name: string, shape: [number, number, number, number, number]): Case {
  const [batch, keyHeads, group, context, size] = shape;
  const keys = [batch, keyHeads, context, size];
  return {
    name: `causalAttention, ${name}`,
    inputs: [
      [shape, 1.2],
      [keys, 1.2],
      [keys, 1],
    ],
    own: ([query, key, value]) =>
      causalAttention(tf.div(query!, Math.sqrt(size)), key as tf.Tensor4D, value as tf.Tensor4D, causalMask(context)),
    plain: ([query, key, value]) => {
      const each = (x: tf.Tensor): tf.Tensor => tf.mul(tf.expandDims(x, 2), tf.ones([group, 1, 1]));
      const flat = [batch * keyHeads * group, context, size] as [number, number, number];
      const q = tf.reshape(query!, flat);
      const scores = tf.div(tf.matMul(q, tf.reshape(each(key!), flat), false, true), Math.sqrt(size));
      const past = tf.tensor2d(Array.from({ length: context }, (_, t) => row(context, (i) => Number(i <= t))));
      const powers = tf.mul(tf.exp(scores), past);
      const weights = tf.div(powers, tf.sum(powers, -1, true));
      return tf.reshape(tf.matMul(weights, tf.reshape(each(value!), flat)), shape);
    },
  };
}

function row(length: number, value: (i: number) => number): number[] {
  return Array.from({ length }, (_, i) => value(i));
}

/** 1 for the two largest numbers, 0 for the others. */
function twoLargest(numbers: number[]): number[] {
  const second = [...numbers].sort((a, b) => b - a)[1]!;
  return numbers.map((number) => Number(number >= second));
}

function oneHot(ids: number[], count: number): tf.Tensor2D {
  return tf.tensor2d(ids.map((id) => row(count, (i) => Number(i === id))));
}

function spread(x: tf.Tensor): tf.Tensor2D {
  return tf.mul(tf.add(x, 2), tf.tensor2d([[0.1], [0.5], [1], [2], [4]])) as tf.Tensor2D;
}

/** Turns the pair (i, i + D/2) at position t by t * base^(-2i/D). `x` (H, T, D). */
function plainRotation(x: tf.Tensor, base: number): tf.Tensor {
  const [, context, size] = x.shape as [number, number, number];
  const angles = Array.from({ length: context }, (_, t) => row(size / 2, (i) => t / base ** ((2 * i) / size)));
  const [cosine, sine] = [tf.cos(tf.tensor2d(angles)), tf.sin(tf.tensor2d(angles))];
  const [first, second] = tf.split(x, 2, 2) as [tf.Tensor, tf.Tensor];
  const turnedFirst = tf.sub(tf.mul(first, cosine), tf.mul(second, sine));
  return tf.concat([turnedFirst, tf.add(tf.mul(first, sine), tf.mul(second, cosine))], 2);
}

/** The inputs of a case, and the direction in which its output is looked at: the checked function is sum(output * along). */
function setUp(test: Case): { inputs: tf.Tensor[]; along: tf.Tensor } {
  const inputs = test.inputs.map(([shape, deviation], i) => normal(shape, 10 + i, deviation));
  return { inputs, along: normal(test.own(inputs).shape, 20) };
}

function gradients(form: Case['own'], inputs: tf.Tensor[], along: tf.Tensor): tf.Tensor[] {
  return tf.grads((...received: tf.Tensor[]) => tf.sum(tf.mul(form(received), along)))(inputs);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

onEveryBackend('operations with their own gradient', () => {
  for (const test of cases) {
    describe(test.name, () => {
      it('has the value and the gradients of the plain form', () =>
        withoutLeak(() => tf.tidy(() => compareWithPlain(test))));
      it('has the gradients of central differences', () =>
        withoutLeak(() => tf.tidy(() => compareWithDifferences(test))));
    });
  }
});

function compareWithPlain(test: Case): void {
  const { inputs, along } = setUp(test);
  const own = test.own(inputs);
  const plain = test.plain(inputs);
  assert.deepEqual(own.shape, plain.shape);
  assertClose(own.dataSync(), plain.dataSync(), 1e-5);
  const expected = gradients(test.plain, inputs, along);
  gradients(test.own, inputs, along).forEach((gradient, i) => {
    assertClose(gradient.dataSync(), expected[i]!.dataSync(), 1e-4, `gradient of input ${i}`);
  });
}

/** Each input by itself along three random directions; differences are taken element by element, and summed in float64. */
function compareWithDifferences(test: Case): void {
  const { inputs, along } = setUp(test);
  const weights = along.dataSync();
  const step = 5e-3;
  gradients(test.own, inputs, along).forEach((gradient, i) => {
    const analytic = gradient.dataSync();
    const size = Math.sqrt(dot(analytic, analytic));
    for (const seed of [31, 32, 33]) {
      const direction = normal(inputs[i]!.shape, seed);
      const [after, before] = [step, -step].map((by) => {
        const moved = inputs.map((input, j) => (j === i ? tf.add(input, tf.mul(direction, by)) : input));
        return test.own(moved).dataSync();
      }) as [Float32Array, Float32Array];
      const slope = dot(
        Float64Array.from(after, (value, k) => (value - before[k]!) / (2 * step)),
        weights,
      );
      const expected = dot(analytic, direction.dataSync());
      const off = Math.abs(slope - expected) / size;
      assert.ok(off < 2e-3, `input ${i}: slope ${expected}, by differences ${slope} (off by ${off} of the gradient)`);
    }
  });
}
