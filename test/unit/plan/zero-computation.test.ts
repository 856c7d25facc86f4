import assert from 'node:assert/strict';
import { meanFfnExpertsPerToken } from '../../../src/architecture/architecture';
import { countParameters, forwardFlops } from '../../../src/architecture/counts';
import { parameterSpecs } from '../../../src/architecture/parameters';
import { capacities, ffnShare } from '../../../src/architecture/zero-computation';
import { stageFacts } from '../../../src/plan/facts';
import type { PlannedStage } from '../../../src/plan/plan';

import { newRouters } from '../../../src/upcycle/routers';
import { experimentWith, planned } from './experiment';

function mixture(keys = ''): PlannedStage {
  return planned(
    experimentWith(`  seed: { train: { tokens: 64k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 8, ffnTopK: 2${keys} }, train: { tokens: 16k } }
`),
  ).moe!;
}

const KINDS = ', zeroComputation: { zero: 1, copy: 1, constant: 2 }';
/** Of one expert: gate, up and down. */
const EXPERT = 3 * 32 * 64;

describe('plan of zero-computation experts and gating residuals', () => {
  it('has the share of the paper’s models', () => {
    const share = (experts: number, constant: number): number =>
      ffnShare({ experts, zeroComputation: { zero: 1, copy: 1, constant, tau: 0.75 } });
    assert.ok(Math.abs(share(8, 2) - 0.6) < 1e-12);
    assert.ok(Math.abs(share(16, 2) - 0.75) < 1e-12);
    assert.ok(Math.abs(share(32, 6) - 0.75) < 1e-12);
    assert.equal(ffnShare({ experts: 8 }), 1);
  });

  it('counts FFN experts by their share, and what is new', () => {
    const [plain, moe] = [mixture(), mixture(`${KINDS}, gatingResidual: true`)];
    // Two layers: 4 rows of the router, 2 constants of a 2 x 32 matrix and a vector; the second layer's residual.
    const added = 2 * (4 * 32 + 2 * 3 * 32) + 12 * 12;
    assert.equal(moe.parameters.total, plain.parameters.total + added);
    assert.equal(moe.parameters.active, plain.parameters.active + added - Math.round(2 * 0.8 * EXPERT));
    const flops = 2 * 2 * (4 * 32) + 2 * 2 * (2 * 2 * 32) + 2 * 12 * 12 - 2 * 0.8 * 2 * EXPERT;
    assert.ok(Math.abs(moe.flopsPerToken - plain.flopsPerToken - flops) < 1e-6);
    assert.equal(countParameters(moe.architecture).total, moe.parameters.total);
    assert.equal(forwardFlops(moe.architecture).routers, 2 * 32 * 12 + 2 * 12 * 12);
  });

  it('counts, where FFN experts were pruned, those that are left', () => {
    const stages = (prune: string): PlannedStage => {
      const file = `  seed: { train: { tokens: 64k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 8, ffnTopK: 2${KINDS} } }
  less: { from: moe, prune: { method: random, ${prune} } }
`;
      return planned(experimentWith(file)).less!;
    };
    const ffns = (prune: string): number => meanFfnExpertsPerToken(stages(prune).architecture.mixture!, 0);
    // Masked: 2 choices, of which 0.75 x 4 of 0.75 x 4 + 4 go to FFN experts; zero: 0.75 x 8 of 10, half of them to nobody.
    assert.ok(Math.abs(ffns('keep: 4, routing: masked') - (2 * 3) / 7) < 1e-12);
    assert.ok(Math.abs(ffns('keep: 4') - 0.6) < 1e-12);
    assert.equal(ffns('keep: 8'), meanFfnExpertsPerToken(mixture(KINDS).architecture.mixture!, 0), 'to the bit');
    assert.equal(stages('keep: 4').parameters.total, mixture(KINDS).parameters.total - 2 * 4 * EXPERT);
    const { mixture: masked } = stages('keep: 4, routing: masked').architecture;
    const capacity = { ...masked!.zeroComputation!, capacity: 1 };
    const room = capacities({ ...masked!, zeroComputation: capacity }, 70, 4)!;
    assert.equal(room.length, 12);
    for (const [column, wanted] of [
      [0, 7.5],
      [11, 10],
    ] as const) {
      assert.ok(Math.abs(room[column]! - wanted) < 1e-12);
    }
  });

  it('leaves keys as they are where neither is asked for', () => {
    const keys = ['', ', gatingResidual: false', KINDS, `${KINDS}, gatingResidual: true`].map(
      (more) => mixture(more).key,
    );
    assert.equal(keys[0], keys[1]);
    assert.equal(new Set(keys).size, 3);
    assert.ok(!('zeroComputation' in mixture().architecture.mixture!) && !('gatingResidual' in mixture().upcycle!));
  });

  it('says them', () => {
    const facts = Object.fromEntries(stageFacts(mixture(KINDS), {}));
    assert.equal(facts['zero-computation experts'], '1 zero, 1 copy, 2 constant, tau 0.75');
  });

  it('starts residuals at zero and constants at random, whatever routers start at', () => {
    const { architecture } = mixture(`${KINDS}, gatingResidual: true`);
    const values = newRouters(architecture, 3, { init: 'zero', deviation: 0.1 });
    assert.equal(values.size, 2 + 1 + 2 * 2 * 2);
    const isZero = (name: string): boolean => values.get(name)!.every((value) => value === 0);
    assert.ok(isZero('layers.1.ffn.router.residual.weight') && isZero('layers.0.ffn.router.weight'));
    assert.ok(!isZero('layers.0.ffn.constants.1.mix.weight') && !isZero('layers.1.ffn.constants.0.vector'));
    const parts = parameterSpecs(architecture).filter(({ name }) => name.includes('residual'));
    assert.deepEqual(
      parts.map(({ name }) => name),
      ['layers.1.ffn.router.residual.weight'],
    );
  });
});
