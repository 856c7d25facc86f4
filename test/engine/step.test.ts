import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { ffnName, routerName } from '../../src/architecture/parameters';
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import type { Moments } from '../../src/train/adamw';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import type { Batch } from '../../src/data/sequences';
import { EagerStep } from '../../src/train/eager-step';
import type { StepResult } from '../../src/train/step';
import { asMixture, assertClose, largeValues, MODELS, onEveryBackend, randomBatch, SMALL } from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
const RATE = 3e-3;

/** Makes a step of a model, hands it to `use`, disposes of it, and fails if a tensor is left. */
function withStep<T>(
  architecture: Architecture,
  use: (step: EagerStep) => T,
  start: { values?: Map<string, Float32Array>; moments?: Moments } = {},
): T {
  const before = tf.memory();
  const parameters = createParameters(architecture, start.values ?? randomValues(architecture, 1));
  const step = new EagerStep(architecture, parameters, SETTINGS, start.moments);
  const result = use(step);
  step.dispose();
  const after = tf.memory();
  assert.deepEqual([after.numTensors, after.numDataBuffers], [before.numTensors, before.numDataBuffers], 'left behind');
  return result;
}

/** Trains some steps, on the passes that `batches` gives for each. */
function train(step: EagerStep, batches: (i: number) => Batch[], steps: number, rate = RATE): StepResult[] {
  return Array.from({ length: steps }, (_, i) => step.train(batches(i), rate, i, i % 2 === 0));
}

const changing =
  (architecture: Architecture) =>
  (i: number): Batch[] => [randomBatch(architecture, 3, 100 + i)];

/** One or more passes of a step. */
function randomBatches(architecture: Architecture, passes: number, seed: number): Batch[] {
  return Array.from({ length: passes }, (_, pass) => randomBatch(architecture, 2, 10 * seed + pass));
}

/** The two halves of a batch of 4 sequences. */
function halves({ inputs, targets }: Batch): Batch[] {
  const middle = inputs.length / 2;
  return [
    { inputs: inputs.slice(0, middle), targets: targets.slice(0, middle) },
    { inputs: inputs.slice(middle), targets: targets.slice(middle) },
  ];
}

/** Parameters, and first moments: Adam takes no notice of a gradient's size, its moments do. */
function trained(architecture: Architecture, batches: Batch[], values: Map<string, Float32Array>) {
  const use = (step: EagerStep) => {
    train(step, () => batches, 3);
    return { parameters: step.readParameters(), moments: step.readMoments().first };
  };
  return withStep(architecture, use, { values });
}

function assertSame(actual: ReturnType<typeof trained>, expected: ReturnType<typeof trained>): void {
  for (const part of ['parameters', 'moments'] as const) {
    for (const [name, values] of expected[part]) assertClose(actual[part].get(name)!, values, 1e-5, `${part}: ${name}`);
  }
}

onEveryBackend('a training step', () => {
  for (const [name, architecture] of Object.entries(MODELS)) {
    it(`learns a batch by heart: ${name}`, () => {
      const batch = randomBatch(architecture, 2, 3);
      const { results, evaluated } = withStep(architecture, (step) => {
        const found = train(step, () => [batch], 40, 1e-2);
        return { results: found, evaluated: step.evaluate(batch, new RoutingStatistics()) };
      });
      const [first, last] = [results[0]!.languageModel, results.at(-1)!.languageModel];
      assert.ok(Math.abs(first - Math.log(architecture.vocabulary)) < 0.1, `starts like a guess, found ${first}`);
      assert.ok(last < first / 2, `from ${first} to ${last}`);
      const mean = evaluated / batch.targets.length;
      // An evaluation draws nothing, and its experts have room for all, so that it goes other ways.
      if (batch.draws?.size || architecture.mixture?.zeroComputation?.capacity) return;
      assert.ok(mean < last && mean > last - 0.2, `evaluated after the last step: ${mean}, in it: ${last}`);
    });

    it(`leaks no tensor in 50 steps: ${name}`, () => {
      withStep(architecture, (step) => {
        const count = (): number[] => [tf.memory().numTensors, tf.memory().numDataBuffers, tf.memory().numBytes];
        const batches = (i: number): Batch[] => randomBatches(architecture, 1 + (i % 2), i);
        train(step, batches, 1);
        const before = count();
        train(step, batches, 49);
        step.evaluate(batches(0)[0]!, new RoutingStatistics());
        assert.deepEqual(count(), before);
      });
    });

    it(`gives the same numbers again: ${name}`, () => {
      const run = (): unknown =>
        withStep(architecture, (step) => [train(step, changing(architecture), 4), step.readParameters()]);
      assert.deepEqual(run(), run());
    });
  }

  it('has the parts of its loss add up, and reports routing only when asked', () => {
    const [asked, unasked] = withStep(MODELS['bam with kv-experts']!, (step) => train(step, changing(SMALL), 2));
    for (const { loss, languageModel, loadBalance, routerZ } of [asked!, unasked!]) {
      assertClose([loss], [languageModel + 0.01 * loadBalance + 0.001 * routerZ], 1e-5);
      assert.ok(loadBalance >= 2 * 0.99 && routerZ > 0, `over two layers: ${loadBalance}, ${routerZ}`);
    }
    const routers = asked!.routing.map(({ layer, router }) => `${layer} ${router}`);
    assert.deepEqual(routers, ['0 attention', '0 ffn', '1 attention', '1 ffn']);
    assert.deepEqual(unasked!.routing, []);
  });

  it('is the same for a batch in one pass or in two', () => {
    const batch = randomBatch(SMALL, 4, 5);
    const values = largeValues(SMALL, 1);
    assertSame(trained(SMALL, halves(batch), values), trained(SMALL, [batch], values));
  });

  it('adds up passes of which only one sends tokens to an expert', () => {
    const mixture = evenAndOdd();
    const random = randomBatch(mixture, 2, 5);
    // Only even tokens, then only odd ones.
    const pass = (odd: number): Batch => ({ ...random, inputs: random.inputs.map((id) => 2 * (id >> 1) + odd) });
    const values = evenAndOddValues(mixture);
    const evenFirst = trained(mixture, [0, 1].map(pass), values);
    assertSame(trained(mixture, [1, 0].map(pass), values), evenFirst);
    for (const expert of [0, 1]) {
      const name = ffnName(0, 'down', expert);
      const moved = evenFirst.parameters.get(name)!.some((value, i) => Math.abs(value - values.get(name)![i]!) > RATE);
      assert.ok(moved, `${name} was trained`);
    }
  });
});

/** One layer, in which even tokens go to expert 0 and odd ones to expert 1. */
function evenAndOdd(): Architecture {
  return asMixture({ ...SMALL, layers: 1 }, { experts: 2, attention: 'averaged' });
}

function evenAndOddValues(mixture: Architecture): Map<string, Float32Array> {
  const values = largeValues(mixture, 1);
  const { width, vocabulary } = mixture;
  const embedding = values.get('embedding.weight')!;
  for (let token = 0; token < vocabulary; token++) embedding[token * width] = token % 2 ? -2 : 2;
  const router = values.get(routerName(0, 'ffn'))!.fill(0);
  router[0] = 2;
  router[width] = -2;
  return values;
}

describe('the training step on native and wasm', () => {
  for (const [name, architecture] of Object.entries(MODELS)) {
    it(`has the same losses: ${name}`, async () => {
      const losses: number[][] = [];
      for (const kind of ['native', 'wasm'] as const) {
        await startBackend(kind);
        const results = withStep(architecture, (step) => train(step, changing(architecture), 6));
        losses.push(results.flatMap(({ loss, routerZ, gradientNorm }) => [loss, routerZ, gradientNorm]));
      }
      assertClose(losses[1]!, losses[0]!, 1e-4);
    });
  }
});

onEveryBackend('a step that must not be taken', () => {
  const broken: [title: string, name: string, value: number][] = [
    ['a parameter that is not a number', 'layers.0.ffn.experts.1.up.weight', NaN],
    ['an infinite embedding', 'embedding.weight', Infinity],
    ['a router that is not a number', 'layers.1.ffn.router.weight', NaN],
  ];
  for (const [title, name, value] of broken) {
    it(`leaves parameters and moments alone: ${title}`, () => {
      const architecture = MODELS['bam with kv-experts']!;
      const values = largeValues(architecture, 1);
      values.get(name)!.fill(value);
      withStep(
        architecture,
        (step) => {
          const [result] = train(step, changing(architecture), 1);
          assert.ok(!Number.isFinite(result!.loss), `loss ${result!.loss}`);
          assert.deepEqual(step.readParameters(), values);
          for (const moments of Object.values(step.readMoments()) as Map<string, Float32Array>[]) {
            for (const moment of moments.values()) assert.ok(moment.every((one) => one === 0));
          }
        },
        { values },
      );
    });
  }
});

onEveryBackend('an expert without tokens', () => {
  it('has its moments decay, and moves by them and by weight decay alone', () => {
    const mixture = evenAndOdd();
    const values = evenAndOddValues(mixture);
    const all = (value: number) =>
      new Map([...values].map(([name, { length }]) => [name, new Float32Array(length).fill(value)]));
    const name = ffnName(0, 'gate', 1);
    const batch = { inputs: new Int32Array(24), targets: new Int32Array(24).fill(7) };
    const stepNumber = 9;
    withStep(
      mixture,
      (step) => {
        step.train([batch], RATE, stepNumber, false);
        const { first, second } = step.readMoments();
        assertClose(
          first.get(name)!,
          first.get(name)!.map(() => 0.9 * 0.5),
          1e-6,
          'first moment',
        );
        assertClose(
          second.get(name)!,
          second.get(name)!.map(() => 0.95 * 4),
          1e-6,
          'second moment',
        );
        const mean = (0.9 * 0.5) / (1 - 0.9 ** (stepNumber + 1));
        const root = Math.sqrt((0.95 * 4) / (1 - 0.95 ** (stepNumber + 1)));
        const expected = values.get(name)!.map((value) => value * (1 - RATE * 0.1) - (RATE * mean) / root);
        assertClose(step.readParameters().get(name)!, expected, 1e-6, 'parameter');
        const trained = first.get(ffnName(0, 'gate', 0))!;
        assert.ok(
          trained.some((value) => Math.abs(value - 0.45) > 1e-4),
          'the other expert has a gradient',
        );
      },
      { values, moments: { first: all(0.5), second: all(4) } },
    );
  });
});
