import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { Architecture, PrunedExperts } from '../../src/architecture/architecture';
import { ffnName, parameterSpecs, routerName } from '../../src/architecture/parameters';
import { ffnChoices } from '../../src/architecture/zero-computation';
import { startBackend } from '../../src/engine/backend';
import { attentionTables } from '../../src/model/attention';
import { drawTensors } from '../../src/model/draws';
import { ffn } from '../../src/model/ffn';
import { createParameters, disposeParameters } from '../../src/model/parameters';
import type { RouterOutput } from '../../src/model/routing';
import { loadBalanceLoss } from '../../src/model/routing';
import { forward, logits } from '../../src/model/transformer';
import { EagerStep } from '../../src/train/eager-step';
import { expertMatrices, linearCka } from '../../src/train/expert-similarity';
import { GraphStep } from '../../src/train/graph-step';
import { trainingPass } from '../../src/train/pass';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import {
  asMixture,
  assertClose,
  largeValues,
  MODELS,
  normal,
  onEveryBackend,
  randomBatch,
  SMALL,
  withoutLeak,
} from '../support/engine';

type Values = Map<string, Float32Array>;

/** Removed from each of the two layers. */
const GONE = [[1, 2], [3]];
const LEFT = [
  [0, 3],
  [0, 1, 2],
];

function pruned(whole: Architecture, routing: PrunedExperts['routing'], experts = GONE): Architecture {
  return { ...whole, mixture: { ...whole.mixture!, pruned: { experts, routing } } };
}

const MIXTURES: Record<string, Architecture> = {
  'top 1': asMixture(SMALL, { attention: 'averaged' }),
  'top 2 of a softmax over the chosen': MODELS.btx!,
  'bam with shared-kv, top 2': MODELS['bam with shared-kv']!,
  'soft FFNs': MODELS['soft FFNs']!,
  'sampled FFNs': MODELS['sampled FFNs']!,
  'zero-computation experts and gating residuals': asMixture(SMALL, {
    ...{ attention: 'averaged', ffnTopK: 2, gatingResidual: true },
    zeroComputation: { zero: 1, copy: 1, constant: 2, tau: 0.75 },
  }),
};

/** What a training pass without balance loss gives: the loss of the language model, gradients by name. */
function passOf(architecture: Architecture, values: Values, balance = 0): { loss: number; gradients: Values } {
  const parameters = createParameters(architecture, values);
  const batch = randomBatch(asMixture(SMALL, { ...architecture.mixture!, pruned: undefined as never }), 2, 5);
  let found: { loss: number; gradients: Values } | undefined;
  tf.tidy(() => {
    const tables = attentionTables(architecture, architecture.context);
    const settings = { loadBalance: balance, routerZ: 0 };
    const ids = [batch.inputs, batch.targets].map((some) => tf.tensor1d(some, 'int32'));
    const model = { architecture, parameters, tables, settings };
    const pass = trainingPass(model, ids[0]!, ids[1]!, drawTensors(batch.draws!));
    const read = [...pass.gradients].map(([name, gradient]) => [name, gradient.dataSync<'float32'>()] as const);
    found = { loss: pass.losses.dataSync<'float32'>()[1]!, gradients: new Map(read) };
  });
  disposeParameters(parameters);
  return found!;
}

onEveryBackend('a pruned mixture', () => {
  for (const [name, whole] of Object.entries(MIXTURES)) {
    const values = largeValues(whole, 7);

    it(`${name}, zero: is the whole one with experts that put out nothing, gradients too`, () => {
      withoutLeak(() => {
        const silent = new Map(values);
        GONE.forEach((experts, layer) =>
          experts.forEach((expert) => silent.set(ffnName(layer, 'down', expert), new Float32Array(16 * 24))),
        );
        const [expected, found] = [passOf(whole, silent), passOf(pruned(whole, 'zero'), values)];
        assertClose([found.loss], [expected.loss], 1e-6, 'loss');
        for (const [tensor, gradient] of found.gradients) {
          assertClose(gradient, expected.gradients.get(tensor)!, 2e-6, tensor);
        }
        assert.equal(found.gradients.has(ffnName(0, 'up', 1)), false);
        // An expert that no token was sent to may have no gradient.
        assert.ok(LEFT[0]!.some((expert) => found.gradients.has(ffnName(0, 'up', expert))));
      });
    });
  }

  const masked = Object.entries(MIXTURES).filter(([name]) => !/shared-kv|sampled/.test(name));
  const plus = MIXTURES['zero-computation experts and gating residuals']!;
  const zeroComputation = { ...plus.mixture!.zeroComputation!, capacity: 1.1 };
  masked.push([
    'zero-computation experts with a capacity',
    { ...plus, mixture: { ...plus.mixture!, zeroComputation } },
  ]);
  for (const [name, whole] of masked) {
    it(`${name}, masked: is the mixture of the experts that are left, gradients and balance loss too`, () => {
      withoutLeak(() => {
        const gone = [
          [1, 2],
          [1, 2],
        ];
        const values = largeValues(whole, 8);
        const soft = whole.mixture!.ffnRouting === 'soft';
        const small = { ...whole, mixture: { ...whole.mixture!, experts: 2, ...(soft && { ffnTopK: 2 }) } };
        const own = [0, 3];
        const all = ffnChoices(whole.mixture!);
        const columns = Array.from({ length: all }, (_, i) => i).filter((i) => ![1, 2].includes(i));
        const rowsOf = (numbers: Float32Array, width: number): Float32Array =>
          Float32Array.from(columns.flatMap((row) => [...numbers.subarray(row * width, (row + 1) * width)]));
        /** Of a router's tensor what belongs to experts that are left. */
        const leftOf = (tensor: string, numbers: Float32Array): Float32Array => {
          if (!tensor.includes('residual')) return rowsOf(numbers, 16);
          return rowsOf(numbers, all).filter((_, i) => columns.includes(i % all));
        };
        const fewer = new Map(
          parameterSpecs(small).map(({ name: tensor, expert }) => {
            if (tensor.includes('router')) return [tensor, leftOf(tensor, values.get(tensor)!)];
            const place = expert === undefined ? tensor : tensor.replace(/experts\.\d/, `experts.${own[expert]}`);
            return [tensor, values.get(place)!];
          }),
        );
        const [expected, found] = [passOf(small, fewer, 0.1), passOf(pruned(whole, 'masked', gone), values, 0.1)];
        assertClose([found.loss], [expected.loss], 1e-6, 'loss');
        for (const [tensor, gradient] of expected.gradients) {
          const isRouter = tensor.includes('router');
          const there = found.gradients.get(tensor.replace(/experts\.(\d)/, (_, i) => `experts.${own[Number(i)]}`))!;
          assertClose(isRouter ? leftOf(tensor, there) : there, gradient, 2e-6, tensor);
          const width = tensor.includes('residual') ? all : 16;
          if (isRouter) assertClose(there.subarray(width, 3 * width), new Float32Array(2 * width), 0, 'removed rows');
        }
      });
    });
  }

  it('gives a token that nobody computes nothing, so that only the residual stream goes on', () => {
    const architecture = pruned(MIXTURES['top 1']!, 'zero', [[1, 2], []]);
    withoutLeak(() => {
      const parameters = createParameters(architecture, largeValues(architecture, 9));
      tf.tidy(() => {
        const { output, router } = ffn(architecture, parameters, 0, normal([40, 16], 3) as tf.Tensor2D);
        const chosen = router!.chosen!.arraySync();
        const rows = output.arraySync();
        const isGone = chosen.map((row) => row[1]! + row[2]! > 0);
        assert.ok(isGone.includes(true) && isGone.includes(false));
        rows.forEach((row, token) =>
          assert.equal(
            row.every((value) => value === 0),
            isGone[token],
            `token ${token}`,
          ),
        );
        assert.deepEqual(router!.removed, [1, 2]);
      });
      disposeParameters(parameters);
    });
  });

  it('is the whole one to the bit where nothing is removed', () => {
    const models = ['btx', 'bam with kv-experts', 'bam with shared-kv', 'soft FFNs'].map((name) => MODELS[name]!);
    const zeroComputation = { zero: 1, copy: 1, constant: 2, tau: 0.75 };
    for (const { mixture, ...dense } of models.slice(0, 3)) {
      models.push({ ...dense, mixture: { ...mixture!, zeroComputation, gatingResidual: true } });
    }
    for (const whole of models) {
      const name = JSON.stringify(whole.mixture);
      const values = largeValues(whole, 10);
      const run = (architecture: Architecture): Float32Array => {
        const parameters = createParameters(architecture, values);
        const found = tf.tidy(() => {
          const ids = tf.tensor1d(randomBatch(whole, 2, 3).inputs, 'int32');
          const tables = attentionTables(architecture, architecture.context);
          return logits(forward(architecture, parameters, ids, tables)).dataSync<'float32'>();
        });
        disposeParameters(parameters);
        return found;
      };
      for (const routing of ['zero', 'masked'] as const) {
        assert.deepEqual(run(pruned(whole, routing, [[], []])), run(whole), `${name}, ${routing}`);
      }
    }
  });

  it('balances the experts that are left: 1 where their tokens and probabilities are even, whatever removed ones get', () => {
    tf.tidy(() => {
      const router = (assigned: number[], probabilities: number[]): RouterOutput => ({
        ...{ layer: 0, router: 'ffn', logits: tf.zeros([1, 4]), removed: [1] },
        ...{ assigned: tf.tensor1d(assigned), probabilities: tf.tensor2d(probabilities, [1, 4]) },
      });
      const loss = (...given: Parameters<typeof router>): number => loadBalanceLoss(router(...given)).dataSync()[0]!;
      assertClose([loss([5, 40, 5, 5], [0.1, 0.7, 0.1, 0.1])], [1], 1e-6);
      assertClose([loss([6, 0, 0, 0], [0.5, 0.25, 0.125, 0.125])], [2], 1e-6);
      assertClose([loss([0, 9, 0, 0], [0.1, 0.7, 0.1, 0.1])], [0], 0);
    });
  });

  it('says which experts are gone, and counts none of them as dead', () => {
    tf.tidy(() => {
      const statistics = new RoutingStatistics();
      const probabilities = tf.tensor2d([0.5, 0, 0.5, 0, 0.5, 0, 0.5, 0], [2, 4]);
      statistics.add([
        {
          ...{ layer: 0, router: 'ffn', logits: probabilities },
          probabilities,
          assigned: tf.tensor1d([1, 0, 1, 0]),
          removed: [1],
        },
      ]);
      const [{ removed, deadExperts, maxViolation }] = statistics.summarize() as [
        ReturnType<RoutingStatistics['summarize']>[0],
      ];
      assert.deepEqual([removed, deadExperts], [[1], 1]);
      assertClose([maxViolation], [0.5 * 3 - 1], 1e-12);
    });
  });

  it('counts as FFN experts of a token those that compute it', () => {
    tf.tidy(() => {
      const statistics = new RoutingStatistics();
      const [assigned, probabilities] = [tf.tensor1d([1, 2, 1]), tf.fill([2, 3], 1 / 3) as tf.Tensor2D];
      const router = { layer: 0, router: 'ffn', logits: probabilities, probabilities, assigned } as const;
      statistics.add([{ ...router, removed: [1], zeroComputation: { ffnExperts: 2, tau: 1 } }]);
      assert.equal(statistics.summarize()[0]!.ffnPerToken, 0.5);
    });
  });

  it('compares experts by linear CKA as numpy does', () => {
    const stored = JSON.parse(readFileSync(join(__dirname, '../parity/stored/cka.json'), 'utf8')) as {
      shape: [number, number];
      matrices: number[][];
      cka: number[][];
    };
    withoutLeak(() => {
      const matrices = stored.matrices.map((values) => tf.tensor2d(values, stored.shape));
      linearCka(matrices).forEach((row, i) => assertClose(row, stored.cka[i]!, 2e-5, `row ${i}`));
      tf.dispose(matrices);
    });
  });

  it('compares weights as they are, those of equal experts as alike', () => {
    withoutLeak(() => {
      const architecture = MIXTURES['top 1']!;
      const values = largeValues(architecture, 11);
      for (const part of ['gate', 'up', 'down'] as const)
        values.set(ffnName(0, part, 2), values.get(ffnName(0, part, 0))!);
      const parameters = createParameters(architecture, values);
      tf.tidy(() => {
        const matrices = expertMatrices(architecture, parameters, 0);
        assert.deepEqual(matrices[0]!.shape, [3 * 24, 16]);
        const cka = linearCka(matrices);
        assertClose([cka[0]![2]!], [1], 1e-5);
        assert.ok(cka[0]![1]! < 0.5);
      });
      disposeParameters(parameters);
    });
  });
});

describe('training steps of a pruned mixture', () => {
  before(async () => {
    await startBackend('native');
  });

  for (const [name, whole] of Object.entries(MIXTURES)) {
    for (const routing of ['zero', 'masked'] as const) {
      it(`${name}, ${routing}: a graph takes them as eager execution does`, () => {
        const architecture = pruned(whole, routing);
        const settings = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
        const values = largeValues(architecture, 12);
        const eager = new EagerStep(architecture, createParameters(architecture, values), settings);
        const graph = GraphStep.create({ architecture, values, settings, sequences: 3, passes: 1, form: 'graph' });
        try {
          for (let step = 0; step < 3; step++) {
            const batch = randomBatch(architecture, 3, step);
            const [one, other] = [eager, graph].map((form) => form.train([batch], 1e-3, step, true));
            assertClose([other!.loss, other!.gradientNorm], [one!.loss, one!.gradientNorm], 2e-4, `step ${step}`);
            assert.deepEqual(other!.routing.find(({ router }) => router === 'ffn')!.removed, GONE[0]);
          }
          const [one, other] = [eager.readParameters(), graph.readParameters()];
          for (const [tensor, numbers] of one) assertClose(other.get(tensor)!, numbers, 2e-4, tensor);
          assert.equal(one.has(ffnName(0, 'up', GONE[0]![0]!)), false);
          assert.ok(
            one.has(ffnName(0, 'up', LEFT[0]![1]!)) &&
              one.get(routerName(0, 'ffn'))!.length === 16 * ffnChoices(whole.mixture!),
          );
        } finally {
          eager.dispose();
          graph.dispose();
        }
      });
    }
  }
});
