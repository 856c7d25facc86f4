import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../../src/architecture/architecture';
import { parameterSpecs, partOf } from '../../src/architecture/parameters';
import type { FreezablePart } from '../../src/config/train-schema';
import { startBackend } from '../../src/engine/backend';
import { createParameters } from '../../src/model/parameters';
import type { Moments } from '../../src/train/adamw';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import type { Step, StepResult } from '../../src/train/step';
import { assertClose, largeValues, MODELS, onEveryBackend, randomBatch, SMALL } from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
const RATE = 3e-3;
const SEQUENCES = 3;
const UNTIED: Architecture = { ...SMALL, tiedEmbeddings: false };

/** What to freeze in which model. */
const CASES: [name: string, architecture: Architecture, freeze: FreezablePart[]][] = [
  ['FFN experts of btx', MODELS.btx!, ['experts']],
  ['all but attention of bam', MODELS['bam with kv-experts']!, ['experts', 'embeddings', 'norms', 'routers']],
  ['attention and routers of bam', MODELS['bam with shared-kv']!, ['attention', 'routers']],
  ['norms and tied embeddings of a dense model', SMALL, ['embeddings', 'norms']],
  ['attention and untied embeddings of a dense model', UNTIED, ['attention', 'embeddings']],
];

interface Options {
  freeze?: FreezablePart[];
  moments?: Moments;
  passes?: number;
  settings?: Partial<typeof SETTINGS>;
}

function withStep<T>(architecture: Architecture, form: 'eager' | 'graph', options: Options, use: (step: Step) => T): T {
  const before = tf.memory().numTensors;
  const { moments, passes = 1, freeze } = options;
  const settings = { ...SETTINGS, ...options.settings, freeze };
  const values = largeValues(architecture, 1);
  const step =
    form === 'eager'
      ? new EagerStep(architecture, createParameters(architecture, values), settings, moments)
      : GraphStep.create({ architecture, values, moments, settings, sequences: SEQUENCES, passes, form });
  try {
    return use(step);
  } finally {
    step.dispose();
    assert.equal(tf.memory().numTensors, before, 'tensors left behind');
  }
}

function train(step: Step, architecture: Architecture, steps: number, passes = 1): StepResult[] {
  return Array.from({ length: steps }, (_, i) => {
    const batches = Array.from({ length: passes }, (_unused, pass) =>
      randomBatch(architecture, SEQUENCES, 10 * i + pass),
    );
    return step.train(batches, RATE, i, false);
  });
}

/** Names of the parameters that are frozen, and of those that are not. */
function split(architecture: Architecture, freeze: FreezablePart[]): { frozen: string[]; free: string[] } {
  const specs = parameterSpecs(architecture);
  const isFrozen = (spec: (typeof specs)[number]): boolean => freeze.some((part) => part === partOf(spec));
  return {
    frozen: specs.filter(isFrozen).map(({ name }) => name),
    free: specs.filter((spec) => !isFrozen(spec)).map(({ name }) => name),
  };
}

/** Frozen parameters stay to the bit and have no moments; every other one moves. */
function staysAndMoves(architecture: Architecture, form: 'eager' | 'graph', freeze: FreezablePart[], passes: number) {
  const start = largeValues(architecture, 1);
  const { frozen, free } = split(architecture, freeze);
  assert.ok(frozen.length && free.length);
  withStep(architecture, form, { freeze, passes }, (step) => {
    train(step, architecture, 3, passes);
    const found = step.readParameters();
    const { first, second } = step.readMoments();
    for (const name of frozen) assert.deepEqual(found.get(name), start.get(name), name);
    for (const name of free) assert.notDeepEqual(found.get(name), start.get(name), name);
    for (const moment of [first, second]) assert.deepEqual([...moment.keys()].sort(), [...free].sort());
  });
}

/** With beta1 at 0 and nothing clipped, the first moment after a step is the gradient. */
const AS_GRADIENT = { beta1: 0, clip: 1e9 };

/** The other gradients are those of a model without anything frozen, and the norm counts them alone. */
function gradientsAreTheSame(architecture: Architecture, form: 'eager' | 'graph', freeze: FreezablePart[]): void {
  const gradientsOf = (frozen: FreezablePart[]) =>
    withStep(architecture, form, { freeze: frozen, settings: AS_GRADIENT }, (step) => {
      const [result] = train(step, architecture, 1);
      return { norm: result!.gradientNorm, gradients: step.readMoments().first };
    });
  const all = gradientsOf([]).gradients;
  const { norm, gradients } = gradientsOf(freeze);
  let squares = 0;
  for (const [name, gradient] of gradients) {
    assertClose(gradient, all.get(name)!, 1e-6, name);
    for (const value of gradient) squares += value * value;
  }
  assertClose([norm], [Math.sqrt(squares)], 1e-4 * norm, 'norm');
}

onEveryBackend('parts that are frozen', () => {
  for (const [name, architecture, freeze] of CASES) {
    it(`stay as they are, and change nothing for the others: ${name}`, () => {
      staysAndMoves(architecture, 'eager', freeze, 1);
      gradientsAreTheSame(architecture, 'eager', freeze);
    });
  }
});

describe('parts that are frozen in a graph', () => {
  before(() => startBackend('native'));

  for (const [name, architecture, freeze] of CASES) {
    it(`stay as they are, and change nothing for the others: ${name}`, () => {
      staysAndMoves(architecture, 'graph', freeze, 1);
      gradientsAreTheSame(architecture, 'graph', freeze);
    });
  }

  it('stay as they are where a step sums up passes', () => {
    staysAndMoves(MODELS['bam with kv-experts']!, 'graph', ['experts', 'norms'], 2);
  });

  it('leave the step that the eager form takes', () => {
    const architecture = MODELS['bam with kv-experts']!;
    for (const freeze of [['experts'], ['attention', 'embeddings']] as FreezablePart[][]) {
      const run = (form: 'eager' | 'graph') =>
        withStep(architecture, form, { freeze }, (step) => {
          const results = train(step, architecture, 3);
          return { results, parameters: step.readParameters(), moments: step.readMoments() };
        });
      const [eager, graph] = [run('eager'), run('graph')];
      eager.results.forEach((expected, i) => {
        const found = graph.results[i]!;
        for (const part of ['loss', 'languageModel', 'gradientNorm'] as const) {
          assertClose([found[part]], [expected[part]], 1e-4 * expected[part], part);
        }
      });
      for (const [name, values] of eager.parameters) assertClose(graph.parameters.get(name)!, values, 1e-3, name);
      for (const [name, values] of eager.moments.first) {
        assertClose(graph.moments.first.get(name)!, values, 1e-4, name);
      }
    }
  });

  it('go on from stored moments exactly as if training had never stopped', () => {
    const architecture = MODELS.btx!;
    const freeze: FreezablePart[] = ['experts', 'embeddings'];
    const next = (step: Step): unknown => [
      step.train([randomBatch(architecture, SEQUENCES, 77)], RATE, 3, false),
      step.readMoments(),
    ];
    const { moments, expected } = withStep(architecture, 'graph', { freeze }, (step) => {
      // With a learning rate of zero parameters stay, moments do not.
      for (const i of [0, 1, 2]) step.train([randomBatch(architecture, SEQUENCES, i)], 0, i, false);
      return { moments: step.readMoments(), expected: next(step) };
    });
    assert.deepEqual(withStep(architecture, 'graph', { freeze, moments }, next), expected);
  });
});
