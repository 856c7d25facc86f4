import assert from 'node:assert/strict';
import type { Architecture } from '../../../src/architecture/architecture';
import { FFN_PROJECTIONS, ffnName, parameterSpecs, routerName } from '../../../src/architecture/parameters';
import type { UpcycleConfig } from '../../../src/config/upcycle-schema';
import type { Plan, PlannedStage } from '../../../src/plan/plan';
import { initialParameters } from '../../../src/train/initial';

const dense: Architecture = {
  layers: 2,
  width: 16,
  heads: 4,
  kvHeads: 2,
  ffnHidden: 24,
  context: 4,
  vocabulary: 11,
  tiedEmbeddings: true,
  ropeBase: 10000,
  normEpsilon: 1e-5,
};
const mixture: Architecture = {
  ...dense,
  mixture: { experts: 3, ffnTopK: 1, gate: 'softmax-topk', attention: 'averaged' },
};

/** What a stage without parents starts from. */
function start(architecture: Architecture, router?: UpcycleConfig['router']): ReadonlyMap<string, Float32Array> {
  const upcycle = { method: 'scratch', copies: 3, ffnTopK: 1, gate: 'softmax-topk', router } as const;
  const stage = { parents: [], architecture, ...(architecture.mixture && { upcycle }) } as unknown as PlannedStage;
  const sources = { checkpoints: () => '', domains: new Map() };
  return initialParameters({ seed: 5 } as Plan, stage, sources).values;
}

describe('the parameters of a mixture from scratch', () => {
  it('are random, other ones in every expert, and beside the experts those of a dense model of the same seed', () => {
    const [found, model] = [start(mixture), start(dense)];
    assert.deepEqual(
      [...found.keys()].sort(),
      parameterSpecs(mixture)
        .map(({ name }) => name)
        .sort(),
    );
    for (const projection of FFN_PROJECTIONS) {
      const matrices = [0, 1, 2].map((expert) => found.get(ffnName(1, projection, expert))!);
      assert.equal(new Set(matrices.map(String)).size, 3);
      for (const matrix of matrices) {
        const deviation = Math.sqrt(matrix.reduce((sum, value) => sum + value * value, 0) / matrix.length);
        // The matrix that ends the branch is smaller by sqrt(2 x layers).
        const expected = projection === 'down' ? 0.01 : 0.02;
        assert.ok(Math.abs(deviation / expected - 1) < 0.2, `${projection}: ${deviation}`);
      }
    }
    for (const [name, values] of model) if (!name.includes('.ffn.')) assert.deepEqual(found.get(name), values, name);
  });

  it('have routers as the file asks for', () => {
    const deviationOf = (router?: UpcycleConfig['router']): number => {
      const values = start(mixture, router).get(routerName(0, 'ffn'))!;
      return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    };
    assert.equal(deviationOf({ init: 'zero', deviation: 0.02 }), 0);
    assert.ok(Math.abs(deviationOf() / 0.02 - 1) < 0.4);
    assert.ok(Math.abs(deviationOf({ init: 'normal', deviation: 0.2 }) / deviationOf() - 10) < 1e-3);
  });
});
