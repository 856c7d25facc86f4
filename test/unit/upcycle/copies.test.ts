import assert from 'node:assert/strict';
import type { Architecture } from '../../../src/architecture/architecture';
import { FFN_PROJECTIONS, ffnName, type FfnProjection } from '../../../src/architecture/parameters';
import { describeMixture } from '../../../src/upcycle/describe';
import type { DropOptions } from '../../../src/upcycle/drop';
import type { RouterOptions } from '../../../src/upcycle/routers';
import { type Parent, upcycle } from '../../../src/upcycle/upcycle';
import { mixed, parent, sameBits } from './parents';

const EXPERTS = 4;

function copiesOf(one: Parent, drop?: DropOptions, seed = 1): Map<string, Float32Array> {
  const { mixture } = mixed('averaged', EXPERTS);
  const experts = Array.from({ length: EXPERTS }, () => one);
  return upcycle(experts, { ...one.architecture, mixture: mixture! }, seed, { drop });
}

describe('sparse upcycling', () => {
  it('copies the FFN to every expert and all else to its place, to the bit; only routers are new', () => {
    const seed = parent('seed', 1);
    const found = copiesOf(seed);
    const routers = [...found.keys()].filter((name) => name.includes('router'));
    assert.deepEqual(routers, ['layers.0.ffn.router.weight', 'layers.1.ffn.router.weight']);
    for (const [name, values] of found) {
      if (!routers.includes(name)) sameBits(values, seed.parameters.get(name.replace(/experts\.\d+\./, ''))!, name);
    }
  });
});

/** The hidden units of an expert's matrix in which anything differs from the parent's. */
function changedUnits(
  found: Map<string, Float32Array>,
  one: Parent,
  projection: FfnProjection,
  expert: number,
  layer = 0,
) {
  const { ffnHidden, width } = one.architecture;
  const [own, from] = [found.get(ffnName(layer, projection, expert))!, one.parameters.get(ffnName(layer, projection))!];
  const changed = new Map<number, number>();
  own.forEach((value, i) => {
    const unit = projection === 'down' ? i % ffnHidden : Math.floor(i / width);
    if (value !== from[i]) changed.set(unit, (changed.get(unit) ?? 0) + 1);
  });
  for (const [unit, count] of changed) assert.equal(count, width, `unit ${unit} is new as a whole`);
  return [...changed.keys()].sort((a, b) => a - b);
}

describe('Drop-Upcycling', () => {
  const wide: Partial<Architecture> = { layers: 1, width: 64, heads: 4, ffnHidden: 200 };
  const seed = parent('seed', 1, wide);
  /** A parent whose gate, up and down have means and deviations of their own. */
  const shifted = {
    ...seed,
    parameters: new Map(
      [...seed.parameters].map(([name, values]) => {
        const part = FFN_PROJECTIONS.findIndex((projection) => name.endsWith(`.ffn.${projection}.weight`));
        return [name, part < 0 ? values : values.map((value) => 3 * part - 1 + (part + 0.5) * value)];
      }),
    ),
  };

  it('of nothing is sparse upcycling, to the bit', () => {
    for (const indices of ['per-matrix', 'shared'] as const) {
      assert.deepEqual(copiesOf(seed, { ratio: 0, indices }), copiesOf(seed));
    }
  });

  it('draws whole units anew, the given share of them, and leaves the others and all else alone', () => {
    for (const [ratio, count] of [
      [0.5, 100],
      [0.123, 25],
      [1, 200],
    ] as const) {
      const found = copiesOf(seed, { ratio, indices: 'per-matrix' });
      for (const projection of FFN_PROJECTIONS) {
        for (let expert = 0; expert < EXPERTS; expert++) {
          assert.equal(changedUnits(found, seed, projection, expert).length, count, `${projection} of ${expert}`);
        }
      }
      for (const [name, values] of copiesOf(seed)) if (!/experts/.test(name)) sameBits(found.get(name), values, name);
    }
  });

  it('takes other units in every expert, and for each matrix its own or for all three the same', () => {
    const units = (indices: DropOptions['indices']): string[][] => {
      const found = copiesOf(seed, { ratio: 0.5, indices });
      return Array.from({ length: EXPERTS }, (_, expert) =>
        FFN_PROJECTIONS.map((projection) => String(changedUnits(found, seed, projection, expert))),
      );
    };
    const own = units('per-matrix');
    assert.equal(new Set(own.flat()).size, 3 * EXPERTS);
    const shared = units('shared');
    assert.equal(new Set(shared.flat()).size, EXPERTS);
    for (const three of shared) assert.equal(new Set(three).size, 1);
  });

  it('takes other units in every layer, and another part with another seed', () => {
    const two = parent('seed', 1, { ...wide, layers: 2 });
    for (const indices of ['per-matrix', 'shared'] as const) {
      const found = copiesOf(two, { ratio: 0.5, indices });
      assert.notDeepEqual(changedUnits(found, two, 'up', 0, 0), changedUnits(found, two, 'up', 0, 1));
      const other = copiesOf(two, { ratio: 0.5, indices }, 2);
      assert.notDeepEqual(changedUnits(found, two, 'up', 0), changedUnits(other, two, 'up', 0));
    }
  });

  it('gives new values the mean and the deviation of those that they replace, matrix by matrix', () => {
    const found = copiesOf(shifted, { ratio: 0.5, indices: 'per-matrix' });
    for (const [part, projection] of FFN_PROJECTIONS.entries()) {
      const from = shifted.parameters.get(ffnName(0, projection))!;
      for (let expert = 0; expert < EXPERTS; expert++) {
        const drawn = found.get(ffnName(0, projection, expert))!.filter((value, i) => value !== from[i]);
        assert.equal(drawn.length, 100 * 64);
        const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
        const variance = drawn.reduce((sum, value) => sum + (value - mean) ** 2, 0) / drawn.length;
        const deviation = part + 0.5;
        // Four deviations of the mean of 6400 values, twice over since the replaced ones are a sample too.
        assert.ok(Math.abs(mean - (3 * part - 1)) < 8 * (deviation / 80), `mean ${mean} of ${projection}`);
        assert.ok(
          Math.abs(Math.sqrt(variance) / deviation - 1) < 0.08,
          `deviation ${Math.sqrt(variance)} of ${projection}`,
        );
      }
    }
  });

  it('leaves biases as they are, and needs no gate', () => {
    const gelu = { ffn: 'gelu', biases: true } as const;
    const two = [parent('seed', 1, gelu), parent('seed', 1, gelu)];
    const mixture = { ...mixed('averaged', 2), ...gelu };
    const options = { drop: { ratio: 0.5, indices: 'shared' } } as const;
    const [plain, dropped] = [upcycle(two, mixture, 1), upcycle(two, mixture, 1, options)];
    const changed = [...plain.keys()].filter((name) => String(plain.get(name)) !== String(dropped.get(name)));
    assert.equal(changed.length, 2 * 2 * 2);
    assert.ok(
      changed.every((name) => /ffn\.experts\.\d\.(up|down)\.weight/.test(name)),
      changed.join(', '),
    );
  });

  it('takes mean and deviation of the replaced part, not of the whole matrix', () => {
    const flat = new Map(seed.parameters);
    flat.set(
      ffnName(0, 'gate'),
      new Float32Array(200 * 64).map((_, i) => Math.floor(i / 64)),
    );
    const parts = copiesOf({ ...seed, parameters: flat }, { ratio: 0.01, indices: 'per-matrix' });
    for (let expert = 0; expert < EXPERTS; expert++) {
      const drawn = [...parts.get(ffnName(0, 'gate', expert))!].filter((value, i) => value !== Math.floor(i / 64));
      const units = changedUnits(parts, { ...seed, parameters: flat }, 'gate', expert);
      assert.equal(units.length, 2);
      const [low, high] = units as [number, number];
      const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
      const deviation = (high - low) / 2;
      assert.ok(Math.abs(mean - (low + high) / 2) < (5 * deviation) / Math.sqrt(128), `${mean} of ${low} and ${high}`);
    }
  });
});

describe('weight scaling', () => {
  it('makes the output of an expert experts / ffnTopK times as large, half of it by up and half by down', () => {
    const parents = [parent('a', 1), parent('b', 2), parent('c', 3), parent('d', 4), parent('e', 5), parent('f', 6)];
    for (const [ffnTopK, factor] of [
      [1, Math.sqrt(6)],
      [2, Math.sqrt(3)],
      [6, 1],
    ] as const) {
      for (const attention of ['averaged', 'kv-experts'] as const) {
        const base = mixed(attention, 6);
        const mixture = { ...base, mixture: { ...base.mixture!, ffnTopK } };
        const plain = upcycle(parents, mixture, 1);
        for (const [name, values] of upcycle(parents, mixture, 1, { weightScaling: true })) {
          const times = /ffn\.experts\.\d\.(up|down)\./.test(name) ? factor : 1;
          sameBits(
            values,
            plain.get(name)!.map((value) => value * times),
            name,
          );
        }
      }
    }
  });

  it('takes the output alone where FFNs are GELU with biases: nothing before it passes a factor on', () => {
    const gelu = { ffn: 'gelu', biases: true } as const;
    const parents = [parent('a', 1, gelu), parent('b', 2, gelu), parent('c', 3, gelu)];
    const mixture = { ...mixed('averaged'), ...gelu };
    const plain = upcycle(parents, mixture, 1);
    for (const [name, values] of upcycle(parents, mixture, 1, { weightScaling: true })) {
      const times = /ffn\.experts\.\d\.down\.(weight|bias)/.test(name) ? 3 : 1;
      const expected = plain.get(name)!.map((value) => value * times);
      sameBits(values, expected, name);
    }
  });

  it('comes after the drawing anew', () => {
    const drop = { ratio: 0.5, indices: 'shared' } as const;
    const four = Array.from({ length: 4 }, () => parent('seed', 1));
    const [plain, scaled] = [false, true].map((weightScaling) =>
      upcycle(four, mixed('averaged', 4), 1, { drop, weightScaling }),
    );
    for (let i = 0; i < 4; i++) {
      const name = ffnName(0, 'down', i);
      sameBits(
        scaled!.get(name),
        plain!.get(name)!.map((value) => 2 * value),
        name,
      );
    }
  });
});

describe('new routers', () => {
  const parents = [parent('a', 1), parent('b', 2), parent('c', 3)];
  const routersWith = (router?: RouterOptions): Float32Array[] =>
    [...upcycle(parents, mixed('kv-experts'), 1, { router })].flatMap(([name, values]) =>
      name.includes('router') ? [values] : [],
    );

  it('are random with the deviation that is asked for, or zero', () => {
    const usual = routersWith();
    assert.equal(usual.length, 4);
    assert.deepEqual(routersWith({ init: 'normal', deviation: 0.02 }), usual);
    for (const [i, router] of routersWith({ init: 'normal', deviation: 0.08 }).entries()) {
      router.forEach((value, j) => assert.ok(Math.abs(value - 4 * usual[i]![j]!) < 1e-7));
    }
    for (const router of routersWith({ init: 'zero', deviation: 0.02 })) sameBits(router, new Float32Array(24), 'zero');
  });
});

describe('the log line of an upcycling', () => {
  const [seed, law, code] = [parent('seed', 1), parent('law', 2), parent('code', 3)];

  it('says what is copied and what is averaged', () => {
    const parents = [seed, law, code];
    assert.equal(
      describeMixture(mixed('shared-kv'), parents, {}),
      '3 experts: FFN, attention queries and outputs copied; all else averaged; routers new',
    );
    assert.match(describeMixture(mixed('kv-experts'), parents, {}), /keys and values copied/);
    assert.doesNotMatch(describeMixture(mixed('averaged'), parents, {}), /attention/);
  });

  it('says where experts are equal, and what was drawn anew', () => {
    assert.equal(
      describeMixture(mixed('averaged', 4), [seed, law, seed, seed], {}),
      '4 experts: FFN copied from 2 stages; all else averaged; routers new',
    );
    assert.equal(
      describeMixture(mixed('averaged', 2), [seed, seed], { drop: { ratio: 0.5, indices: 'shared' } }),
      '2 experts: FFN copied from seed; all else as there; 0.5 of the hidden units of each expert drawn anew; routers new',
    );
    assert.equal(
      describeMixture(mixed('averaged', 2), [seed, law], {
        weightScaling: true,
        router: { init: 'zero', deviation: 1 },
      }),
      '2 experts: FFN copied; all else averaged; up and down of each expert scaled; routers zero',
    );
  });
});
