import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { EMBEDDING, FINAL_NORM, ffnName, normName, OUTPUT_HEAD, routerName } from '../../src/architecture/parameters';
import { ffnChoices } from '../../src/architecture/zero-computation';
import { layerNorm } from '../../src/engine/ops/layer-norm';
import { linear } from '../../src/engine/ops/linear';
import { embed } from '../../src/engine/ops/rows';
import { attention, attentionTables } from '../../src/model/attention';
import { matrix, vector } from '../../src/model/lookup';
import { createParameters, disposeParameters, type ModelParameters } from '../../src/model/parameters';
import { forward, logits } from '../../src/model/transformer';
import { splitArchitecture } from '../../src/plan/splitting';
import { splitFfns } from '../../src/upcycle/split';
import {
  asMixture,
  assertClose,
  largeValues,
  onEveryBackend,
  randomBatch,
  SMALL,
  VARIANTS,
  withoutLeak,
} from '../support/engine';

const ATTENTIONS = ['averaged', 'kv-experts', 'shared-kv'] as const;
const GATES = ['softmax-topk', 'topk-softmax'] as const;

/** The logits of a batch, and of what `other` makes of the same tokens. */
function both(
  architecture: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  other: (parameters: ModelParameters, ids: tf.Tensor1D) => tf.Tensor,
): { found: Float32Array; expected: Float32Array } {
  return withoutLeak(() => {
    const parameters = createParameters(architecture, values);
    const ids = randomBatch(architecture, 2, 4).inputs;
    const pair = tf.tidy(() => {
      const tokens = tf.tensor1d(ids, 'int32');
      const tables = attentionTables(architecture, architecture.context);
      return {
        found: logits(forward(architecture, parameters, tokens, tables)).dataSync<'float32'>(),
        expected: other(parameters, tokens).dataSync<'float32'>(),
      };
    });
    disposeParameters(parameters);
    return pair;
  });
}

/** Each block as x + MHA(u) + u times the gates of the copies that a token chose: FFN experts put out nothing. */
function copiesAlone(architecture: Architecture, parameters: ModelParameters, ids: tf.Tensor1D): tf.Tensor {
  const { layers, normEpsilon, tiedEmbeddings } = architecture;
  const { experts, ffnTopK, gate } = architecture.mixture!;
  const columns = ffnChoices(architecture.mixture!);
  const tables = attentionTables(architecture, architecture.context);
  const isCopy = tf.tensor1d(Array.from({ length: columns }, (_, column) => Number(column >= experts)));
  let x = embed(matrix(parameters, EMBEDDING), ids);
  for (let layer = 0; layer < layers; layer++) {
    const u = layerNorm(x, vector(parameters, normName(layer)), normEpsilon);
    const scores = linear(u, matrix(parameters, routerName(layer, 'ffn')));
    const best = tf.topk(scores, ffnTopK);
    const gates =
      gate === 'topk-softmax' ? tf.softmax(best.values) : tf.sub(best.values, tf.logSumExp(scores, 1, true)).exp();
    const share = tf.sum(tf.mul(gates, tf.gather(isCopy, best.indices)), 1, true);
    x = tf.addN([x, attention(architecture, parameters, layer, u, tables).output, tf.mul(u, share)]);
  }
  const head = matrix(parameters, tiedEmbeddings ? EMBEDDING : OUTPUT_HEAD);
  return linear(layerNorm(x, vector(parameters, FINAL_NORM), normEpsilon), head);
}

onEveryBackend('a mixture whose FFN experts put out nothing', () => {
  for (const kind of ATTENTIONS) {
    for (const gate of GATES) {
      it(`gives each token its input times the gates of the copies that it chose (${kind}, ${gate})`, () => {
        const zeroComputation = { zero: 0, copy: 3, constant: 0, tau: 0.75 };
        const architecture = asMixture(SMALL, { attention: kind, gate, ffnTopK: 2, zeroComputation });
        const values = largeValues(architecture, 3);
        for (let layer = 0; layer < SMALL.layers; layer++) {
          for (let expert = 0; expert < architecture.mixture!.experts; expert++) {
            values.get(ffnName(layer, 'down', expert))!.fill(0);
          }
        }
        const { found, expected } = both(architecture, values, (parameters, ids) =>
          copiesAlone(architecture, parameters, ids),
        );
        assertClose(found, expected, 2e-4);
      });
    }
  }
});

onEveryBackend('a split into one expert with all neurons', () => {
  for (const [name, variant] of Object.entries({ plain: {}, ...VARIANTS })) {
    it(`is the dense model to the bit (${name})`, () => {
      const dense: Architecture = { ...SMALL, ...variant };
      const parent = { name: 'dense', architecture: dense, parameters: largeValues(dense, 1) };
      const sizes = { experts: 1, width: dense.ffnHidden, shared: 0 };
      const target = splitArchitecture({ ...sizes, importance: 'random' }, dense, 5);
      const scores = Array.from({ length: dense.layers }, () =>
        Array.from({ length: dense.ffnHidden }, (_, j) => j % 7),
      );
      const { found, expected } = both(target, splitFfns(parent, target, { scores, sizes, seed: 1 }), (_, ids) => {
        const own = createParameters(dense, parent.parameters);
        const tables = attentionTables(dense, dense.context);
        const made = logits(forward(dense, own, ids, tables));
        disposeParameters(own);
        return made;
      });
      assert.deepEqual(found, expected);
    });
  }
});
