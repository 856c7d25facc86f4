import assert from 'node:assert/strict';
import type { Architecture } from '../../src/architecture/architecture';
import { balanceBiasName, routerName } from '../../src/architecture/parameters';
import type { Routing } from '../../src/events/event';
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import type { Step, TrainSettings } from '../../src/train/step';
import { asMixture, assertClose, largeValues, onEveryBackend, randomBatch, SMALL } from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0, routerZ: 0 };
const SEQUENCES = 8;
const GAMMA = 0.01;
/** Of one layer, whose router sees nothing but the token: so many tokens that a bias can share them out evenly. */
const BIASED = asMixture(
  { ...SMALL, layers: 1, vocabulary: 400 },
  { attention: 'averaged', ffnTopK: 1, router: { balanceBias: GAMMA } },
);
const BIAS = balanceBiasName(0);

function withStep<T>(
  form: 'eager' | 'graph',
  architecture: Architecture,
  values: Map<string, Float32Array>,
  use: (step: Step) => T,
  passes = 1,
  settings: TrainSettings = SETTINGS,
): T {
  const step =
    form === 'eager'
      ? new EagerStep(architecture, createParameters(architecture, values), settings)
      : GraphStep.create({ architecture, values, settings, sequences: SEQUENCES, passes, form });
  try {
    return use(step);
  } finally {
    step.dispose();
  }
}

/** All tokens look alike to the router in one number, and expert 0 likes it most, then expert 1. */
function skewed(): Map<string, Float32Array> {
  const values = largeValues(BIASED, 1);
  values.get(BIAS)!.fill(0);
  const { width, vocabulary } = BIASED;
  for (let token = 0; token < vocabulary; token++) values.get('embedding.weight')![token * width] = 2;
  const router = values.get(routerName(0, 'ffn'))!;
  router[0] = 1;
  router[width] = 0.5;
  return values;
}

function loads(routing: Routing[]): number[] {
  return routing.find(({ router }) => router === 'ffn')!.load;
}

function biasMoves(form: 'eager' | 'graph', passes: number): void {
  const values = skewed();
  values.get(BIAS)!.set([0.25, -0.5, 0, 0.125]);
  withStep(
    form,
    BIASED,
    values,
    (step) => {
      const batches = Array.from({ length: passes }, (_, i) => randomBatch(BIASED, SEQUENCES, i));
      const load = loads(step.train(batches, 1e-3, 0, true).routing);
      const expected = [0.25, -0.5, 0, 0.125].map((bias, i) => bias + GAMMA * Math.sign(0.25 - load[i]!));
      assert.ok(new Set(load.map((share) => Math.sign(0.25 - share))).size > 1, `loads ${load}`);
      assertClose(step.readParameters().get(BIAS)!, expected, 1e-7);
      for (const moment of Object.values(step.readMoments()) as Map<string, Float32Array>[]) {
        assert.equal(moment.get(BIAS), undefined);
      }
    },
    passes,
  );
}

function balances(form: 'eager' | 'graph'): void {
  withStep(form, BIASED, skewed(), (step) => {
    const batch = randomBatch(BIASED, SEQUENCES, 3);
    // Without learning only the biases move.
    const violation = Array.from(
      { length: 100 },
      (_, i) => step.train([batch], 0, i, true).routing.at(-1)!.maxViolation,
    );
    assert.ok(violation[0]! > 1.5, `starts at MaxVio ${violation[0]}`);
    assert.ok(violation.at(-1)! < 0.5, `ends at MaxVio ${violation.at(-1)}`);
    const routers = new RoutingStatistics();
    step.evaluate(batch, routers);
    assert.ok(routers.summarize()[0]!.maxViolation < 0.5, 'evaluation chooses with the bias too');
  });
}

function staysWhereNotFinite(form: 'eager' | 'graph'): void {
  const values = skewed();
  values.get('layers.0.attention.query.weight')!.fill(NaN);
  withStep(form, BIASED, values, (step) => {
    step.train([randomBatch(BIASED, SEQUENCES, 1)], 1e-3, 0, false);
    assert.deepEqual(step.readParameters().get(BIAS), new Float32Array(4));
  });
}

function staysWhereFrozen(form: 'eager' | 'graph'): void {
  const settings: TrainSettings = { ...SETTINGS, freeze: ['routers'] };
  const use = (step: Step): void => {
    step.train([randomBatch(BIASED, SEQUENCES, 1)], 1e-3, 0, false);
    assert.deepEqual(step.readParameters().get(BIAS), new Float32Array(4));
  };
  withStep(form, BIASED, skewed(), use, 1, settings);
}

for (const form of ['eager', 'graph'] as const) {
  describe(`the bias that balances load (${form})`, () => {
    before(() => startBackend('native'));

    it('rises where the load is below the mean and falls above, by the load of all passes; AdamW leaves it alone', () => {
      for (const passes of [1, 2]) biasMoves(form, passes);
    });
    it('brings a skewed load into balance', () => balances(form));
    it('stays where the step is not taken', () => staysWhereNotFinite(form));
    it('stays where routers are frozen', () => staysWhereFrozen(form));
  });
}

onEveryBackend('the bias that balances load', () => {
  it('starts at zero, and changes who is chosen but not the gates', () => {
    assert.deepEqual(randomValues(BIASED, 1).get(BIAS), new Float32Array(4));
    const batch = randomBatch(BIASED, SEQUENCES, 3);
    const evaluated = (bias: number[]): Routing => {
      const values = skewed();
      values.get(BIAS)!.set(bias);
      return withStep('eager', BIASED, values, (step) => {
        const routers = new RoutingStatistics();
        step.evaluate(batch, routers);
        return routers.summarize()[0]!;
      });
    };
    const [unbiased, biased] = [evaluated([0, 0, 0, 0]), evaluated([0, 0, 0, 2])];
    assert.ok(unbiased.load[0]! > 0.6, `loads ${unbiased.load}`);
    assert.deepEqual(biased.load, [0, 0, 0, 1]);
    assert.deepEqual(biased.meanGate, unbiased.meanGate);
  });
});
