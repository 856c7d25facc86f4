import assert from 'node:assert/strict';
import { startBackend } from '../../src/engine/backend';
import { Session } from '../../src/engine/graph/session';
import { randomValues } from '../../src/model/parameters';
import type { PlannedStage, TrainPlan } from '../../src/plan/plan';
import { createStep } from '../../src/train/choose-step';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import { SMALL } from '../support/engine';

const SETTINGS = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };

/** A stage of so many steps; none if it does not train. */
function stage(steps: number, batch = 4): PlannedStage {
  const train = { ...SETTINGS, steps, batch, accumulate: 2 } as TrainPlan;
  return { architecture: SMALL, ...(steps && { train }) } as PlannedStage;
}

function choose(
  ...[choice, kind, of, values]: [
    Parameters<typeof createStep>[0],
    'native' | 'wasm',
    PlannedStage,
    Map<string, Float32Array>?,
  ]
) {
  const chosen = createStep(choice, { kind }, of, values ?? randomValues(SMALL, 1));
  chosen.step.dispose();
  const form = chosen.step instanceof GraphStep ? 'graph' : 'eager';
  assert.ok(form === 'graph' || chosen.step instanceof EagerStep);
  return { form, why: chosen.why, fellBack: chosen.fellBack };
}

describe('the choice of a step', () => {
  before(() => startBackend('native'));

  it('takes a graph on native TensorFlow where the stage trains for long enough', () => {
    assert.equal(choose('auto', 'native', stage(100)).form, 'graph');
    assert.match(choose('auto', 'native', stage(3)).why, /3 steps are too few/);
    assert.match(choose('auto', 'native', stage(0)).why, /does not train/);
    assert.equal(choose('graph', 'native', stage(3)).form, 'graph');
    assert.equal(choose('xla', 'native', stage(3)).form, 'graph');
    assert.deepEqual(choose('eager', 'native', stage(100)), {
      form: 'eager',
      why: 'the experiment asks for it',
      fellBack: false,
    });
  });

  it('is eager on wasm, which is only worth a warning where a graph was asked for', async () => {
    await startBackend('wasm');
    assert.deepEqual(
      (['auto', 'graph', 'xla'] as const).map((choice) => {
        const { form, fellBack } = choose(choice, 'wasm', stage(100));
        return [form, fellBack];
      }),
      [
        ['eager', false],
        ['eager', true],
        ['eager', true],
      ],
    );
    await startBackend('native');
  });

  it('falls back to eager where the graph computes something else, and says what', () => {
    const { prototype } = Session;
    const run = prototype.run;
    // As if the graph computed twice of everything.
    prototype.run = function (...parameters) {
      return run.apply(this, parameters).map((result) => result.map((value) => 2 * value));
    };
    try {
      const { form, why, fellBack } = choose('auto', 'native', stage(100));
      assert.deepEqual([form, fellBack], ['eager', true]);
      assert.match(why, /should give a loss of 3\.\d+, as eager execution does, and gives 7\.\d+/);
    } finally {
      prototype.run = run;
    }
  });
});
