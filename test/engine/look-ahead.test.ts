import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { forward } from '../../src/model/transformer';
import { attentionTables } from '../../src/model/attention';
import { createParameters } from '../../src/model/parameters';
import { ffnScores } from '../../src/model/ffn';
import { decodingModel } from '../../src/serve/model';
import { measureDecoding } from '../../src/serve/measure';
import { routingTrace } from '../../src/serve/recorded-experts';
import { asMixture, assertClose, largeValues, onEveryBackend, randomBatch, SMALL } from '../support/engine';
import { logitsOf } from '../support/logits';

const THREE = { ...SMALL, layers: 3 };
const CASES = {
  'plain routers': asMixture(THREE, { ffnTopK: 2, attention: 'averaged' }),
  'a balance bias': asMixture(THREE, { ffnTopK: 2, attention: 'averaged', router: { balanceBias: 0.01 } }),
  'normalised logits': asMixture(THREE, { ffnTopK: 2, attention: 'averaged', router: { normalizeLogits: 1 } }),
  'gating residuals': asMixture(THREE, {
    ...{ ffnTopK: 2, attention: 'averaged', gatingResidual: true },
    zeroComputation: { zero: 1, copy: 0, constant: 1, tau: 0.75 },
  }),
  'masked experts': asMixture(THREE, {
    ...{ ffnTopK: 2, pruned: { experts: [[0], [1], [2, 3]], routing: 'masked' } },
  }),
};

onEveryBackend('a routing trace', () => {
  for (const [name, architecture] of Object.entries(CASES)) {
    it(`has what routers chose, and what the next ones say of the same input: ${name}`, async () => {
      const mixture = architecture.mixture!;
      const values = largeValues(architecture, 5);
      const { inputs: ids } = randomBatch(architecture, 1, 6);
      const model = decodingModel(architecture, values);
      const trace = await routingTrace(model, [{ ids: [...ids], prompt: 4 }], 2);
      const parameters = createParameters(architecture, values);
      tf.tidy(() => {
        const tables = attentionTables(architecture, architecture.context);
        const { inputs, routers } = forward(architecture, parameters, tf.tensor1d(ids, 'int32'), tables);
        const own = routers.filter(({ router }) => router === 'ffn');
        for (let layer = 0; layer < 3; layer++) {
          const chosen = own[layer]!.chosen!.arraySync() as number[][];
          let scores = own[layer]!.logits;
          trace.sequences[0]!.tokens.forEach((token, row) => {
            const { experts, gates } = token.layers[layer]!;
            const expected = chosen[row]!.flatMap((one, i) => (one && i < mixture.experts ? [i] : []));
            assert.deepEqual([...experts].sort(), expected);
            assert.deepEqual(
              [...gates].sort((a, b) => b - a),
              gates,
            );
            assert.equal(token.predictions[layer]!.length, Math.min(2, 2 - layer));
          });
          for (let ahead = 1; layer + ahead < 3; ahead++) {
            const next = layer + ahead;
            const { logits, probabilities } = ffnScores(mixture, parameters, next, inputs[layer]!.ffn, { scores });
            scores = logits;
            const bias = values.get(`layers.${next}.ffn.router.bias`);
            const best = (probabilities.arraySync() as number[][]).map((row) => {
              const order = row.map((value, i) => ({ i, value: value + (bias?.[i] ?? 0) }));
              return order
                .sort((a, b) => b.value - a.value)
                .slice(0, 2)
                .map(({ i }) => i)
                .filter((i) => i < mixture.experts)
                .sort();
            });
            const foreseen = trace.sequences[0]!.tokens.map((token) =>
              [...token.predictions[layer]![ahead - 1]!.experts].sort(),
            );
            assert.deepEqual(foreseen, best);
          }
        }
      });
    });
  }

  it('comes from texts that are decoded with the loss of the whole text', async () => {
    const architecture = CASES['plain routers'];
    const values = largeValues(architecture, 5);
    const { inputs } = randomBatch(architecture, 1, 6);
    const ids = [...inputs];
    const model = decodingModel(architecture, values);
    const speed = await measureDecoding(model, [{ ids, prompt: 4 }]);
    assert.deepEqual([speed.prefillTokens, speed.decodeTokens, speed.foreseen], [4, ids.length - 5, ids.length - 4]);
    const logits = logitsOf(architecture, values, inputs);
    const all = tf.tidy(() =>
      tf.logSoftmax(tf.tensor2d([...logits], [ids.length, architecture.vocabulary])).arraySync(),
    ) as number[][];
    const loss = ids.slice(4).reduce((sum, id, i) => sum - all[3 + i]![id]!, 0);
    assertClose([speed.loss], [loss], 1e-3);
  });
});
