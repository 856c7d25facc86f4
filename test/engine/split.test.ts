import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { ffnName, ffnProjections } from '../../src/architecture/parameters';
import { denseFfn } from '../../src/engine/ops/ffn-forms';
import { attentionTables } from '../../src/model/attention';
import { ffn, ffnWeights } from '../../src/model/ffn';
import { hashTable } from '../../src/model/hash-routing';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import { forward, logits, losses } from '../../src/model/transformer';
import { splitArchitecture } from '../../src/plan/splitting';
import { EagerModel } from '../../src/train/evaluated-model';
import { neuronImportance } from '../../src/train/neuron-importance';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { splitFfns } from '../../src/upcycle/split';
import {
  asMixture,
  assertClose,
  largeValues,
  normal,
  onEveryBackend,
  randomBatch,
  SMALL,
  VARIANTS,
  withoutLeak,
} from '../support/engine';
import { readCase } from '../support/parity';
import { describeShape, randomShapes } from '../support/shapes';

const HASHED = asMixture(SMALL, { attention: 'averaged', ffnRouting: 'hash', hashSeed: 7 });

onEveryBackend('the importance of neurons', () => {
  const models = { swiglu: SMALL, gelu: { ...SMALL, ...VARIANTS.neox }, llama: { ...SMALL, ...VARIANTS.llama } };
  for (const [name, architecture] of Object.entries(models)) {
    it(`is the sum over samples of the weights times their gradients (${name})`, () => {
      const samples = [1, 2, 3].map((seed) => randomBatch(architecture, 1, seed));
      withoutLeak(() => {
        const parameters = createParameters(architecture, largeValues(architecture, 1));
        const found = neuronImportance(architecture, parameters, samples);
        const expected = samples.map((sample) => tf.tidy(() => slopesByWeights(architecture, parameters, sample)));
        found.forEach((layer, i) => {
          const sums = layer.map((_, j) => expected.reduce((sum, one) => sum + Math.abs(one[i]![j]!), 0));
          assertClose(layer, sums, 1e-4, `layer ${i}`);
        });
        disposeParameters(parameters);
      });
    });
  }

  it('is that of PyTorch', () => {
    const { architecture, parameters: values, inputs, targets, tensors } = readCase('distillation');
    const { context } = architecture;
    const samples = Array.from({ length: inputs.length / context }, (_, i) => ({
      inputs: inputs.slice(i * context, (i + 1) * context),
      targets: targets.slice(i * context, (i + 1) * context),
    }));
    const parameters = createParameters(architecture, values);
    neuronImportance(architecture, parameters, samples).forEach((layer, i) =>
      assertClose(layer, tensors.get(`importance.${i}`)!.values, 1e-5, `layer ${i}`),
    );
    disposeParameters(parameters);
  });
});

/** By layer, sum over a neuron's weights of w dL/dw, from the gradients by the weights themselves. */
function slopesByWeights(
  architecture: Architecture,
  parameters: ReturnType<typeof createParameters>,
  { inputs, targets }: ReturnType<typeof randomBatch>,
): number[][] {
  const { grads } = tf.variableGrads(() => {
    const tables = attentionTables(architecture, architecture.context);
    const output = forward(architecture, parameters, tf.tensor1d(inputs, 'int32'), tables);
    return losses(output, tf.tensor1d(targets, 'int32'), { loadBalance: 0, routerZ: 0 }).languageModel;
  });
  return Array.from({ length: architecture.layers }, (_, layer) => {
    const sums = ffnProjections(architecture).map((projection) => {
      const weight = parameters.get(ffnName(layer, projection))!;
      const product = tf.mul(weight, grads[weight.name]!);
      return [...tf.sum(product, projection === 'down' ? 0 : 1).dataSync()];
    });
    return sums[0]!.map((_, neuron) => sums.reduce((sum, own) => sum + own[neuron]!, 0));
  });
}

onEveryBackend('hash routing', () => {
  it('sends every token to the expert of its id, without a gate, and says so', () => {
    withoutLeak(() => {
      const parameters = createParameters(HASHED, largeValues(HASHED, 1));
      tf.tidy(() => {
        const u = normal([9, SMALL.width], 1) as tf.Tensor2D;
        const ids = [3, 0, 39, 7, 7, 12, 25, 31, 3];
        for (let layer = 0; layer < SMALL.layers; layer++) {
          const table = hashTable(7, layer, 4, SMALL.vocabulary);
          const { output, router } = ffn(HASHED, parameters, layer, u, { ids: tf.tensor1d(ids, 'int32') });
          const expected = ids.map((id, row) =>
            denseFfn(u.slice(row, 1) as tf.Tensor2D, ffnWeights(HASHED, parameters, layer, table[id])),
          );
          assertClose(output.dataSync(), tf.concat(expected).dataSync(), 1e-5);
          const counts = [0, 1, 2, 3].map((expert) => ids.filter((id) => table[id] === expert).length);
          assert.deepEqual([...router!.assigned!.dataSync()], counts);
          assert.equal(router!.logits, undefined);
        }
      });
      disposeParameters(parameters);
    });
  });

  it('has a table of its own for every layer and seed, that uses all experts about alike', () => {
    const [one, layer, seed] = [hashTable(7, 0, 4, 4000), hashTable(7, 1, 4, 4000), hashTable(8, 0, 4, 4000)];
    assert.deepEqual(one, hashTable(7, 0, 4, 4000));
    for (const other of [layer, seed]) {
      const same = one.filter((expert, id) => expert === other[id]).length;
      assert.ok(same > 800 && same < 1200, `${same} of 4000 ids have the same expert`);
    }
    for (const expert of [0, 1, 2, 3]) {
      const count = one.filter((found) => found === expert).length;
      assert.ok(count > 900 && count < 1100, `expert ${expert} has ${count} of 4000 ids`);
    }
  });

  it('evaluates and writes token by token, with statistics that follow the table', () => {
    withoutLeak(() => {
      const model = new EagerModel(HASHED, createParameters(HASHED, largeValues(HASHED, 1)));
      const batch = randomBatch(HASHED, 2, 3);
      const statistics = new RoutingStatistics(true);
      const loss = model.evaluate(batch, statistics);
      const tokenLosses = model.tokenLosses(batch, HASHED.context);
      assert.ok(Math.abs(tokenLosses.reduce((sum, one) => sum + one, 0) - loss) < 1e-3);
      const table = hashTable(7, 1, 4, SMALL.vocabulary);
      const share = [...batch.inputs].filter((id) => table[id] === 2).length / batch.inputs.length;
      const [, second] = statistics.summarize();
      assert.ok(Math.abs(second!.load[2]! - share) < 1e-6 && second!.entropy === 0);
      assert.equal(model.logProbabilities(batch.inputs.slice(0, 10), Int32Array.of(4), 5).length, SMALL.vocabulary);
      model.dispose();
    });
  });

  it('adds no losses of routers', () => {
    const parameters = createParameters(HASHED, largeValues(HASHED, 1));
    tf.tidy(() => {
      const { inputs, targets } = randomBatch(HASHED, 1, 3);
      const tables = attentionTables(HASHED, HASHED.context);
      const output = forward(HASHED, parameters, tf.tensor1d(inputs, 'int32'), tables);
      const found = losses(output, tf.tensor1d(targets, 'int32'), { loadBalance: 1, routerZ: 1 });
      assert.equal(found.total.dataSync()[0], found.languageModel.dataSync()[0]);
    });
    disposeParameters(parameters);
  });
});

onEveryBackend('a split of all neurons', () => {
  for (const each of randomShapes(6, 3)) {
    it(`computes what the dense model computes: ${describeShape(each)}`, () => {
      const { mixture: _, ...shape } = each.mixture;
      const parent = { name: 'dense', architecture: shape, parameters: largeValues(shape, 1) };
      const scores = Array.from({ length: shape.layers }, () => Array.from({ length: shape.ffnHidden }, (_, j) => -j));
      const all = { experts: 3, width: shape.ffnHidden, shared: shape.ffnHidden };
      const target = splitArchitecture({ ...all, routing: 'hash', importance: 'random' }, shape, 5);
      const values = splitFfns(parent, target, { scores, sizes: all, seed: 1 });
      withoutLeak(() => {
        const [own, many] = [createParameters(shape, parent.parameters), createParameters(target, values)];
        tf.tidy(() => {
          const ids = tf.tensor1d(randomBatch(shape, 2, 4).inputs, 'int32');
          const tables = attentionTables(shape, shape.context);
          const expected = logits(forward(shape, own, ids, tables)).dataSync();
          assertClose(logits(forward(target, many, ids, tables)).dataSync(), expected, 2e-4);
        });
        [own, many].forEach(disposeParameters);
      });
    });
  }
});
