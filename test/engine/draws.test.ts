import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { ffnName } from '../../src/architecture/parameters';
import { startBackend } from '../../src/engine/backend';
import {
  drawRouting,
  type Draws,
  drawTensors,
  gumbelName,
  NO_DRAWS,
  noiseName,
  samplingTemperature,
  TEMPERATURE,
} from '../../src/model/draws';
import { ffn } from '../../src/model/ffn';
import { createParameters, disposeParameters, randomValues } from '../../src/model/parameters';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import type { Step } from '../../src/train/step';
import { asMixture, assertClose, largeValues, normal, onEveryBackend, randomBatch, SMALL } from '../support/engine';

const SAMPLED = asMixture(SMALL, { attention: 'averaged', ffnRouting: 'sample-top-1', router: { noise: 0.1 } });
const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };

function mean(values: ArrayLike<number>, of: (value: number) => number = (value) => value): number {
  return Array.from(values, of).reduce((sum, value) => sum + value, 0) / values.length;
}

describe('what routers draw', () => {
  const at = (step: number, pass = 0, seed = 1): Draws => drawRouting(SAMPLED, 2000, { seed, step, pass });

  it('is uniform noise for every router and Gumbel noise for those that sample, behind layer 0', () => {
    const draws = at(3);
    assert.deepEqual([...draws.keys()], [noiseName(0), noiseName(1), gumbelName(1), TEMPERATURE]);
    const noise = draws.get(noiseName(0))!;
    assert.deepEqual(noise.shape, [2000, 16]);
    assert.ok(noise.values.every((factor) => factor >= 0.9 && factor < 1.1));
    assertClose([mean(noise.values), mean(noise.values, (x) => (x - 1) ** 2)], [1, 0.01 / 3], 2e-3);
    const { shape, values } = draws.get(gumbelName(1))!;
    assert.deepEqual(shape, [2000, 4]);
    // Euler's constant, and pi^2 / 6.
    assertClose([mean(values)], [0.5772], 0.05);
    assertClose([mean(values, (x) => (x - 0.5772) ** 2)], [Math.PI ** 2 / 6], 0.12);
  });

  it('is the same again, and other numbers for another step, pass, seed or layer', () => {
    assert.deepEqual(at(3), at(3));
    const first = at(3).get(noiseName(0))!.values;
    for (const other of [at(4), at(3, 1), at(3, 0, 2)]) {
      assert.notDeepEqual(other.get(noiseName(0))!.values, first);
    }
    assert.notDeepEqual(at(3).get(noiseName(1))!.values, first);
  });

  it('is nothing for models without noise', () => {
    assert.equal(drawRouting(SMALL, 5, { seed: 1, step: 1, pass: 0 }).size, 0);
    assert.equal(drawRouting(asMixture(SMALL), 5, { seed: 1, step: 1, pass: 0 }).size, 0);
  });

  it('has a temperature that falls from 1 to a half', () => {
    assertClose([0, 1000, 6931, 6932, 1e6].map(samplingTemperature), [1, Math.exp(-0.1), 0.50002, 0.5, 0.5], 1e-5);
  });
});

onEveryBackend('a sampled expert', () => {
  it('is drawn by the probabilities of the softmax, at any temperature', () => {
    const mixture = asMixture(SMALL, { ffnRouting: 'sample-top-1' });
    const parameters = createParameters(mixture, largeValues(mixture, 1));
    tf.tidy(() => {
      const tokens = 4000;
      const u = tf.tile(normal([1, SMALL.width], 5, 0.5), [tokens, 1]) as tf.Tensor2D;
      const draws = new Map(drawRouting(mixture, tokens, { seed: 1, step: 0, pass: 0 }));
      draws.set(TEMPERATURE, { shape: [], values: Float32Array.of(0.7) });
      const { router } = ffn(mixture, parameters, 1, u, { draws: drawTensors(draws) });
      const shares = [...router!.assigned!.dataSync()].map((count) => count / tokens);
      const probabilities = [...router!.probabilities.dataSync().slice(0, 4)];
      assert.ok(Math.min(...probabilities) > 0.02, `probabilities ${probabilities}`);
      assertClose(shares, probabilities, 0.025);
    });
    disposeParameters(parameters);
  });

  it('is the most probable one where nothing is drawn, and all are used in layer 0', () => {
    const mixture = asMixture(SMALL, { ffnRouting: 'sample-top-1' });
    const parameters = createParameters(mixture, largeValues(mixture, 1));
    tf.tidy(() => {
      const u = normal([30, SMALL.width], 5) as tf.Tensor2D;
      const output = (architecture: Architecture, layer: number): Float32Array =>
        ffn(architecture, parameters, layer, u).output.dataSync<'float32'>();
      assert.deepEqual(output(mixture, 1), output(asMixture(SMALL), 1));
      assertClose(output(mixture, 0), output(asMixture(SMALL, { ffnTopK: 4 }), 0), 1e-5);
    });
    disposeParameters(parameters);
  });

  it('needs its draws in training', () => {
    const parameters = createParameters(SAMPLED, largeValues(SAMPLED, 1));
    tf.tidy(() => {
      const u = normal([3, SMALL.width], 5) as tf.Tensor2D;
      assert.throws(() => ffn(SAMPLED, parameters, 1, u, { draws: drawTensors(NO_DRAWS) }), /layers.1.ffn.router.noise/);
    });
    disposeParameters(parameters);
  });
});

for (const form of ['eager', 'graph'] as const) {
  describe(`a step of a model that draws (${form})`, () => {
    before(() => startBackend('native'));

    const withStep = <T>(values: Map<string, Float32Array>, use: (step: Step) => T): T => {
      const step =
        form === 'eager'
          ? new EagerStep(SAMPLED, createParameters(SAMPLED, values), SETTINGS)
          : GraphStep.create({ architecture: SAMPLED, values, settings: SETTINGS, sequences: 2, passes: 1, form });
      try {
        return use(step);
      } finally {
        step.dispose();
      }
    };

    it('depends on what is drawn, refuses to go without, and evaluates without', () => {
      withStep(randomValues(SAMPLED, 1), (step) => {
        const batch = randomBatch(SAMPLED, 2, 1);
        const loss = (draws: Draws): number => step.train([{ ...batch, draws }], 0, 0, false).languageModel;
        const drawnAt = (i: number): Draws => drawRouting(SAMPLED, batch.inputs.length, { seed: 1, step: i, pass: 0 });
        const [first, again, other] = [loss(drawnAt(0)), loss(drawnAt(0)), loss(drawnAt(1))];
        assert.equal(first, again);
        assert.notEqual(first, other);
        assert.throws(() => loss(NO_DRAWS), { reason: 'draws-missing' });
        const evaluated = (): number => step.evaluate(batch, new RoutingStatistics());
        assert.equal(evaluated(), evaluated());
      });
    });

    it('has all FFNs of layer 0 learn', () => {
      withStep(randomValues(SAMPLED, 1), (step) => {
        step.train([randomBatch(SAMPLED, 2, 1)], 1e-3, 0, false);
        const { first } = step.readMoments();
        for (let expert = 0; expert < 4; expert++) {
          assert.ok(
            first.get(ffnName(0, 'down', expert))!.some((value) => value !== 0),
            `expert ${expert}`,
          );
        }
      });
    });
  });
}
