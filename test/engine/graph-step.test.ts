import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import type { Batch } from '../../src/data/sequences';
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import type { Moments } from '../../src/train/adamw';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import type { Step, StepResult } from '../../src/train/step';
import type { GraphForm } from '../../src/train/step-graph';
import { asMixture, assertClose, largeValues, MODELS, randomBatch, SMALL, VARIANTS } from '../support/engine';
import { parityCases } from '../support/parity';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
const RATE = 3e-3;
const SEQUENCES = 3;

/** Models that the graphs have to follow: those that training meets, one that pads its products and unties its head, imported ones. */
const GRAPH_MODELS: Record<string, Architecture> = {
  ...MODELS,
  'a wide FFN and an untied head': { ...SMALL, layers: 1, ffnHidden: 1024, tiedEmbeddings: false },
  'gpt-neox, dense': { ...SMALL, ...VARIANTS.neox },
  'gpt-neox, as bam with kv-experts': asMixture({ ...SMALL, ...VARIANTS.neox }),
  'gpt-neox, as bam with shared-kv': asMixture({ ...SMALL, ...VARIANTS.neox }, { attention: 'shared-kv' }),
  'llama, as btx': asMixture(
    { ...SMALL, ...VARIANTS.llama },
    { attention: 'averaged', ffnTopK: 2, gate: 'topk-softmax' },
  ),
  'queries in blocks that do not divide the context': asMixture({ ...SMALL, context: 257 }, { attention: 'shared-kv' }),
  cohere: { ...SMALL, ...VARIANTS.cohere },
};

interface Start {
  values: Map<string, Float32Array>;
  moments?: Moments;
}

/** Runs `use` with a step of the given form, and fails if it leaves tensors or sessions behind. */
function withStep<T>(
  architecture: Architecture,
  form: 'eager' | GraphForm,
  start: Start,
  use: (step: Step) => T,
  passes = 1,
): T {
  const before = tf.memory().numTensors;
  const { values, moments } = start;
  const step =
    form === 'eager'
      ? new EagerStep(architecture, createParameters(architecture, values), SETTINGS, moments)
      : GraphStep.create({ architecture, values, moments, settings: SETTINGS, sequences: SEQUENCES, passes, form });
  try {
    return use(step);
  } finally {
    step.dispose();
    assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  }
}

function batches(architecture: Architecture, step: number, passes = 1): Batch[] {
  return Array.from({ length: passes }, (_, pass) => randomBatch(architecture, SEQUENCES, 100 + 10 * step + pass));
}

interface Trained {
  results: StepResult[];
  evaluated: [loss: number, routing: ReturnType<RoutingStatistics['summarize']>][];
  parameters: Map<string, Float32Array>;
  moments: Moments;
}

/** Four steps, an evaluation of a whole and of a smaller batch, and what is in memory then. */
function trained(architecture: Architecture, step: Step, passes = 1): Trained {
  const results = [0, 1, 2, 3].map((i) => step.train(batches(architecture, i, passes), RATE, i, i % 2 === 0));
  const evaluated = [SEQUENCES, SEQUENCES - 1].map((sequences): Trained['evaluated'][number] => {
    const routers = new RoutingStatistics(true);
    return [step.evaluate(randomBatch(architecture, sequences, 7), routers), routers.summarize()];
  });
  return { results, evaluated, parameters: step.readParameters(), moments: step.readMoments() };
}

/** All numbers in a value, in its order. */
function numbers(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbers) : [];
}

function assertAlike(found: Trained, expected: Trained, tolerance: number): void {
  assertClose(numbers(found.results), numbers(expected.results), tolerance, 'losses, norms and routing');
  assertClose(numbers(found.evaluated), numbers(expected.evaluated), 40 * tolerance, 'evaluation');
  for (const [name, values] of expected.parameters) assertClose(found.parameters.get(name)!, values, tolerance, name);
  for (const moment of ['first', 'second'] as const) {
    for (const [name, values] of expected.moments[moment]) {
      assertClose(found.moments[moment].get(name)!, values, tolerance, `${moment} moment of ${name}`);
    }
  }
}

const TOLERANCE: Record<GraphForm, number> = { graph: 2e-5, xla: 2e-4 };

for (const form of ['graph', 'xla'] as const) {
  describe(`a training step as a graph (${form})`, () => {
    before(() => startBackend('native'));

    for (const [name, whole] of Object.entries(GRAPH_MODELS)) {
      // XLA compiles for seconds, so it gets one layer.
      const architecture = form === 'xla' ? { ...whole, layers: 1 } : whole;
      it(`gives the losses, routing, parameters and moments of the eager step: ${name}`, () => {
        const start = { values: randomValues(architecture, 1) };
        const run = (kind: 'eager' | GraphForm): Trained =>
          withStep(architecture, kind, start, (step) => trained(architecture, step));
        assertAlike(run(form), run('eager'), TOLERANCE[form]);
      });
    }

    it('leaves parameters and moments alone where the loss is not a number', () => {
      const architecture = { ...MODELS['bam with kv-experts']!, layers: 1 };
      const start = { values: largeValues(architecture, 1) };
      start.values.get('layers.0.ffn.experts.1.up.weight')!.fill(NaN);
      withStep(architecture, form, start, (step) => {
        const { loss } = step.train(batches(architecture, 0), RATE, 0, false)!;
        assert.ok(!Number.isFinite(loss), `loss ${loss}`);
        assert.deepEqual(step.readParameters(), start.values);
        const { first, second } = step.readMoments();
        for (const moment of [...first.values(), ...second.values()]) assert.ok(moment.every((value) => value === 0));
      });
    });
  });
}

describe('a training step as a graph', () => {
  before(() => startBackend('native'));

  for (const name of ['dense', 'btx', 'bam with kv-experts', 'a balance bias']) {
    it(`sums up two passes as the eager step does: ${name}`, () => {
      const architecture = MODELS[name]!;
      const start = { values: randomValues(architecture, 1) };
      const run = (kind: 'eager' | GraphForm): Trained =>
        withStep(architecture, kind, start, (step) => trained(architecture, step, 2), 2);
      assertAlike(run('graph'), run('eager'), TOLERANCE.graph);
    });
  }

  for (const name of ['bam with kv-experts', 'a balance bias']) {
    it(`goes on from parameters and moments exactly as if it had never stopped: ${name}`, () => goesOn(MODELS[name]!));
  }

  const goesOn = (architecture: Architecture): void => {
    const more = (step: Step): unknown[] => [
      [2, 3].map((i) => step.train(batches(architecture, i), RATE, i, true)),
      step.readParameters(),
      step.readMoments(),
    ];
    const middle = withStep(architecture, 'graph', { values: randomValues(architecture, 1) }, (step) => {
      for (const i of [0, 1]) step.train(batches(architecture, i), RATE, i, false);
      const start = { values: step.readParameters(), moments: step.readMoments() };
      return { start, expected: more(step) };
    });
    assert.deepEqual(withStep(architecture, 'graph', middle.start, more), middle.expected);
  };

  it('does not change when it is evaluated or read', () => {
    const architecture = MODELS.btx!;
    const run = (look: (step: Step) => void): unknown =>
      withStep(architecture, 'graph', { values: randomValues(architecture, 1) }, (step) =>
        [0, 1, 2].map((i) => {
          look(step);
          return step.train(batches(architecture, i), RATE, i, false);
        }),
      );
    const looking = (step: Step): void => {
      step.evaluate(randomBatch(architecture, SEQUENCES, 1), new RoutingStatistics());
      step.readParameters();
      step.readMoments();
    };
    assert.deepEqual(
      run(looking),
      run(() => undefined),
    );
  });

  it('refuses token ids that the model does not have, naming them', () => {
    withStep(SMALL, 'graph', { values: randomValues(SMALL, 1) }, (step) => {
      const batch = randomBatch(SMALL, SEQUENCES, 1);
      batch.targets[5] = SMALL.vocabulary;
      assert.throws(() => step.train([batch], RATE, 0, false), /from 0 to 39, found 40 at 5/);
    });
  });

  for (const stored of parityCases()) {
    it(`gives PyTorch's losses and gradients: ${stored.name}`, () => {
      const { architecture, tensors, inputs, targets, draws } = stored;
      const sequences = inputs.length / architecture.context;
      // With beta1 at 0 and nothing clipped, the first moment after a step is the gradient.
      const settings = { ...SETTINGS, beta1: 0, clip: 1e9 };
      const values = stored.parameters;
      const step = GraphStep.create({ architecture, values, settings, sequences, passes: 1, form: 'graph' });
      const found = step.train([{ inputs, targets, draws }], RATE, 0, false);
      for (const part of ['languageModel', 'loadBalance', 'routerZ'] as const) {
        assertClose([found[part]], tensors.get(`loss.${part}`)!.values, 1e-4, part);
      }
      const { first } = step.readMoments();
      for (const [name, gradient] of stored.gradients) {
        const isTrained = !architecture.adapters || name.includes('.adapters.');
        if (isTrained) assertClose(first.get(name)!, gradient, 1e-5, name);
        assert.equal(first.has(name), isTrained, name);
      }
      step.dispose();
    });
  }
});
