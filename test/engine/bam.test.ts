import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { routerName } from '../../src/architecture/parameters';
import { linear } from '../../src/engine/ops/linear';
import { attention, type AttentionTables, attentionTables } from '../../src/model/attention';
import { ffn } from '../../src/model/ffn';
import { createParameters, disposeParameters, type ModelParameters } from '../../src/model/parameters';
import { routerScores } from '../../src/model/routing';
import { forward, logits } from '../../src/model/transformer';
import {
  asMixture,
  assertClose,
  equalExperts,
  largeValues,
  normal,
  onEveryBackend,
  randomBatch,
  SMALL,
  withoutLeak,
} from '../support/engine';
import { describeShape, randomShapes } from '../support/shapes';

const ATTENTIONS = ['kv-experts', 'shared-kv'] as const;

const shapes = [{ batch: 3, mixture: asMixture(SMALL, { experts: 3, ffnTopK: 2 }) }, ...randomShapes(7)];

function withAttention(shape: Architecture, kind: (typeof ATTENTIONS)[number]): Architecture {
  return { ...shape, mixture: { ...shape.mixture!, attention: kind } };
}

function denseOf({ mixture: _, ...dense }: Architecture): Architecture {
  return dense;
}

/** Runs a check with the parameters of models, and frees them; nothing may be left. */
function withModels(
  models: [Architecture, Map<string, Float32Array>][],
  check: (...p: ModelParameters[]) => void,
): void {
  withoutLeak(() => {
    const parameters = models.map(([architecture, values]) => createParameters(architecture, values));
    tf.tidy(() => check(...parameters));
    parameters.forEach(disposeParameters);
  });
}

function input({ width, context }: Architecture, batch: number): tf.Tensor2D {
  return normal([batch * context, width], 5) as tf.Tensor2D;
}

onEveryBackend('a mixture of equal experts', () => {
  for (const shape of shapes) {
    describe(describeShape(shape), () => {
      for (const kind of ATTENTIONS) {
        it(`is one dense attention, whatever its router says (${kind})`, () =>
          equalAttention(shape.batch, shape.mixture, kind));
      }
      it('is one FFN times the gate of the best expert (top 1)', () => equalFfn(shape.batch, shape.mixture));
      it('is the dense model where the gates add up to 1', () => equalModel(shape.batch, shape.mixture));
    });
  }
});

function equalAttention(batch: number, shape: Architecture, kind: (typeof ATTENTIONS)[number]): void {
  const mixture = withAttention(shape, kind);
  const dense = denseOf(shape);
  const values = largeValues(dense, 1);
  for (const seed of [2, 3]) {
    withModels(
      [
        [dense, values],
        [mixture, equalExperts(values, mixture, seed)],
      ],
      (one, many) => {
        const u = input(shape, batch);
        const tables = attentionTables(dense, dense.context);
        const expected = attention(dense, one!, 0, u, tables).output;
        assertClose(attention(mixture, many!, 0, u, tables).output.dataSync(), expected.dataSync(), 1e-5);
      },
    );
  }
}

function equalFfn(batch: number, shape: Architecture): void {
  const mixture = asMixture(denseOf(shape), { experts: shape.mixture!.experts, ffnTopK: 1 });
  const dense = denseOf(shape);
  const values = largeValues(dense, 1);
  withModels(
    [
      [dense, values],
      [mixture, equalExperts(values, mixture, 2)],
    ],
    (one, many) => {
      const u = input(shape, batch);
      const router = many!.get(routerName(0, 'ffn')) as tf.Tensor as tf.Tensor2D;
      const best = tf.max(tf.softmax(linear(u, router)), 1, true);
      const expected = tf.mul(ffn(dense, one!, 0, u).output, best);
      assertClose(ffn(mixture, many!, 0, u).output.dataSync(), expected.dataSync(), 1e-5);
    },
  );
}

function equalModel(batch: number, shape: Architecture): void {
  const dense = denseOf(shape);
  const values = largeValues(dense, 1);
  const ids = randomBatch(dense, batch, 4).inputs;
  for (const kind of ['averaged', ...ATTENTIONS] as const) {
    const mixture = asMixture(dense, { ...shape.mixture!, gate: 'topk-softmax', attention: kind });
    withModels(
      [
        [dense, values],
        [mixture, equalExperts(values, mixture, 2)],
      ],
      (one, many) => {
        const tables = attentionTables(dense, dense.context);
        const scores = (architecture: Architecture, parameters: ModelParameters): Float32Array =>
          logits(forward(architecture, parameters, tf.tensor1d(ids, 'int32'), tables)).dataSync<'float32'>();
        assertClose(scores(mixture, many!), scores(dense, one!), 1e-4, `logits (${kind})`);
      },
    );
  }
}

onEveryBackend('attention experts', () => {
  for (const shape of shapes) {
    describe(describeShape(shape), () => {
      for (const kind of ATTENTIONS) {
        it(`are a sum of dense attentions, each times its gate (${kind})`, () =>
          loopEqualsCall(shape.batch, shape.mixture, kind));
      }
    });
  }
});

/** Value and gradient by the input: one call of all experts against one dense call for each. */
function loopEqualsCall(batch: number, shape: Architecture, kind: (typeof ATTENTIONS)[number]): void {
  const mixture = withAttention(shape, kind);
  withModels([[mixture, largeValues(mixture, 1)]], (parameters) => {
    const u = input(shape, batch);
    const along = normal(u.shape, 6);
    const tables = attentionTables(mixture, mixture.context);
    const layer = mixture.layers - 1;
    const call = (x: tf.Tensor): tf.Tensor => attention(mixture, parameters!, layer, x as tf.Tensor2D, tables).output;
    const loop = (x: tf.Tensor): tf.Tensor => attentionByExpert(mixture, parameters!, layer, x as tf.Tensor2D, tables);
    assertClose(call(u).dataSync(), loop(u).dataSync(), 1e-5);
    const [fused, looped] = [call, loop].map((form) => tf.grad((x: tf.Tensor) => tf.sum(tf.mul(form(x), along)))(u));
    assertClose(fused!.dataSync(), looped!.dataSync(), 1e-4, 'gradient');
  });
}

/** sum_j g_j MHA_j(u), as it stands in the paper. */
function attentionByExpert(
  mixture: Architecture,
  parameters: ModelParameters,
  layer: number,
  u: tf.Tensor2D,
  tables: AttentionTables,
): tf.Tensor {
  const { experts } = mixture.mixture!;
  const router = parameters.get(routerName(layer, 'attention')) as tf.Tensor as tf.Tensor2D;
  const gates = tf.split(routerScores(u, router).probabilities, experts, 1);
  const outputs = gates.map((gate, expert) => {
    const own = new Map([...parameters].map(([name, value]) => [name.replace(`.experts.${expert}.`, '.'), value]));
    return tf.mul(attention(denseOf(mixture), own, layer, u, tables).output, gate);
  });
  return tf.addN(outputs);
}
