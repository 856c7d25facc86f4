import assert from 'node:assert/strict';
import type { Architecture } from '../../../src/architecture/architecture';
import { ffnName, parameterSpecs, routerName } from '../../../src/architecture/parameters';
import { gatingResidualName } from '../../../src/architecture/zero-computation';
import { uniformGenerator } from '../../../src/base/random';
import { type Choice, removedByScore } from '../../../src/prune/choose';
import { groupAlike, joinGreedily, likeness } from '../../../src/prune/groups';
import { mergeExperts, withoutExperts } from '../../../src/prune/merge';
import { routerNormChanges } from '../../../src/prune/router-norm';

const MODEL: Architecture = {
  ...{ layers: 2, width: 2, heads: 1, kvHeads: 1, ffnHidden: 2, context: 4, vocabulary: 5 },
  ...{ tiedEmbeddings: true, ropeBase: 10000, normEpsilon: 1e-5 },
  mixture: { experts: 3, ffnTopK: 1, gate: 'softmax-topk', attention: 'averaged' },
};

function routers(...rows: number[][]): Map<string, Float32Array> {
  return new Map(rows.map((values, layer) => [routerName(layer, 'ffn'), Float32Array.from(values)]));
}

describe('scores by router norm', () => {
  it('are the signed change of the norm of each row', () => {
    const before = routers([3, 4, 1, 0, 0, 2], [1, 1, 0, 0, 0, 0]);
    const now = routers([6, 8, 0, 1, 0, -0.5], [1, -1, 3, 4, 0, 0]);
    // The second row of layer 0 turned and kept its norm: the norm of its change, sqrt(2), is not what counts.
    assert.deepEqual(routerNormChanges(now, before, MODEL), [
      [5, 0, -1.5],
      [0, 5, 0],
    ]);
  });

  it('have none for experts that are gone', () => {
    const pruned = { experts: [[0], []], routing: 'zero' as const };
    const architecture = { ...MODEL, mixture: { ...MODEL.mixture!, pruned } };
    const same = routers([3, 4, 1, 0, 0, 2], [1, 1, 0, 0, 0, 0]);
    assert.deepEqual(routerNormChanges(same, same, architecture), [
      [null, 0, 0],
      [0, 0, 0],
    ]);
  });
});

describe('the choice of experts by score', () => {
  const scores = [
    [0.1, 0.4, 0.3, 0.2],
    [9, 8, 7, 0.35],
  ];
  const choose = (choice: Partial<Choice>, of: (number | null)[][] = scores): number[][] =>
    removedByScore(of, { keep: 2, scope: 'layer', atLeast: 1, ...choice });

  it('keeps the largest of each layer, or of all together but some in each', () => {
    assert.deepEqual(choose({}), [
      [0, 3],
      [2, 3],
    ]);
    assert.deepEqual(choose({ scope: 'global' }), [[0, 2, 3], [3]]);
    assert.deepEqual(choose({ scope: 'global', atLeast: 2 }), [
      [0, 3],
      [2, 3],
    ]);
    assert.deepEqual(choose({ keep: 4 }), [[], []]);
    assert.deepEqual(choose({ keep: 1, scope: 'global' }), [
      [0, 2, 3],
      [1, 2, 3],
    ]);
  });

  it('keeps the first of equal ones, and does not bring back what is gone', () => {
    assert.deepEqual(choose({}, [[1, 1, 1, 1]]), [[2, 3]]);
    assert.deepEqual(choose({}, [[null, -5, null, -7]]), [[0, 2]]);
    assert.deepEqual(choose({ keep: 1 }, [[null, -5, null, -7]]), [[0, 2, 3]]);
  });
});

describe('groups of similar experts', () => {
  const alike = (pairs: [number, number][], n: number, high = 0.9, low = 0.1): number[][] =>
    Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (__, j) => {
        if (i === j) return 1;
        return pairs.some((pair) => pair.includes(i) && pair.includes(j)) ? high : low;
      }),
    );

  it('put together what is alike', () => {
    const pairs: [number, number][] = [
      [0, 3],
      [1, 2],
    ];
    assert.deepEqual(groupAlike(alike(pairs, 4), 2), pairs);
    assert.deepEqual(groupAlike(alike([[1, 3]], 4), 3), [[0], [1, 3], [2]]);
    assert.deepEqual(groupAlike(alike([], 3), 3), [[0], [1], [2]]);
    assert.deepEqual(groupAlike(alike([], 3), 1), [[0, 1, 2]]);
  });

  it('are worth the same whatever their sizes where all are equally alike', () => {
    const even = alike([], 4, 0, 0.5);
    const worth = likeness(even, [
      [0, 1],
      [2, 3],
    ]);
    // r groups of N things with similarity s: r + (N - r) s.
    assert.equal(worth, 3);
    assert.equal(likeness(even, [[0, 1, 2], [3]]), 3);
  });

  it('are found one pair after the other where there are many experts, as by looking at all where these are plain', () => {
    const pairs = Array.from({ length: 5 }, (_, i): [number, number] => [i, i + 5]);
    assert.deepEqual(groupAlike(alike(pairs, 10), 5), pairs);
    const uniform = uniformGenerator(3);
    for (let trial = 0; trial < 20; trial++) {
      const random = alike([], 6);
      for (let i = 0; i < 6; i++) for (let j = 0; j < i; j++) random[i]![j] = random[j]![i] = uniform();
      const [best, greedy] = [groupAlike(random, 3), joinGreedily(random, 3)];
      assert.ok(likeness(random, best) >= likeness(random, greedy) - 1e-12);
      assert.deepEqual(best.flat().sort(), [0, 1, 2, 3, 4, 5]);
      assert.equal(greedy.length, 3);
    }
  });
});

describe('merging experts', () => {
  const values = (): Map<string, Float32Array> =>
    new Map(
      parameterSpecs(MODEL).map(({ name, shape, expert = 0 }) => {
        const size = shape.reduce((product, length) => product * length, 1);
        return [name, Float32Array.from({ length: size }, (_, i) => 10 ** expert * (i + 1))];
      }),
    );

  it('puts the mean of tensors and router rows in the place of the first', () => {
    const merged = values();
    mergeExperts(merged, MODEL, 1, [0, 2]);
    for (const projection of ['gate', 'up', 'down'] as const) {
      const mean = [1, 2, 3, 4].map((i) => (i + 100 * i) / 2);
      assert.deepEqual([...merged.get(ffnName(1, projection, 0))!], mean);
      assert.deepEqual(merged.get(ffnName(1, projection, 2)), values().get(ffnName(1, projection, 2)));
      assert.deepEqual(merged.get(ffnName(0, projection, 0)), values().get(ffnName(0, projection, 0)));
    }
    // Rows (1, 2), (3, 4), (5, 6).
    assert.deepEqual([...merged.get(routerName(1, 'ffn'))!], [3, 4, 3, 4, 5, 6]);
  });

  it('merges their gating residuals: the mean of their rows, the sum of the columns by which the next router reads them', () => {
    const zeroComputation = { zero: 1, copy: 0, constant: 0, tau: 1 };
    const mixture = { ...MODEL.mixture!, zeroComputation, gatingResidual: true as const };
    const model = { ...MODEL, layers: 3, mixture };
    const residual = Float32Array.from({ length: 16 }, (_, i) => i);
    const merged = new Map(
      parameterSpecs(model).map(({ name, shape }) => {
        const size = shape.reduce((product, length) => product * length, 1);
        return [name, name.includes('residual') ? residual.slice() : new Float32Array(size)];
      }),
    );
    mergeExperts(merged, model, 1, [0, 2]);
    const rows = [4, 5, 6, 7, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    assert.deepEqual([...merged.get(gatingResidualName(1))!], rows);
    const columns = [0 + 2, 1, 2, 3, 4 + 6, 5, 6, 7, 8 + 10, 9, 10, 11, 12 + 14, 13, 14, 15];
    assert.deepEqual([...merged.get(gatingResidualName(2))!], columns);
    mergeExperts(merged, model, 0, [1]);
    assert.deepEqual([...merged.get(gatingResidualName(1))!], rows, 'a group of one');
  });

  it('leaves a group of one, and the mean of equal experts, as they are to the bit', () => {
    const merged = values();
    mergeExperts(merged, MODEL, 0, [1]);
    assert.deepEqual(merged, values());
    const odd = Float32Array.of(0.1, 0.2, 0.3, 1 / 3);
    for (const expert of [0, 1, 2]) merged.set(ffnName(0, 'gate', expert), odd.slice());
    mergeExperts(merged, MODEL, 0, [0, 1, 2]);
    assert.deepEqual(merged.get(ffnName(0, 'gate', 0)), odd);
  });

  it('takes away the tensors of removed experts and no others', () => {
    const left = withoutExperts(values(), MODEL, [[0, 1], []]);
    const gone = [...values().keys()].filter((name) => !left.has(name));
    assert.equal(gone.length, 2 * 3);
    assert.ok(gone.every((name) => /^layers\.0\.ffn\.experts\.[01]\./.test(name)));
    const pruned = { experts: [[0, 1], []], routing: 'zero' as const };
    const specs = parameterSpecs({ ...MODEL, mixture: { ...MODEL.mixture!, pruned } });
    assert.deepEqual(
      specs.map(({ name }) => name),
      [...left.keys()],
    );
  });
});
