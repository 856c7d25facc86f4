import assert from 'node:assert/strict';
import { uniformGenerator } from '../../../src/base/random';
import { bitsPerByte, heldOutBatches } from '../../../src/data/held-out';
import { type MixtureDomain, MixtureSampler } from '../../../src/data/mixture';
import { permutation } from '../../../src/data/permutation';
import { Workspace } from './workspace';

const CONTEXT = 8;

/** Tokens that say where they are. */
function numbered(length: number): Uint16Array {
  return Uint16Array.from({ length }, (_, i) => i);
}

describe('permutation', () => {
  it('has every number once, in an order that follows the keys', () => {
    for (const size of [1, 2, 3, 4, 5, 17, 64, 1000, 65_537]) {
      const order = Array.from({ length: size }, (_, i) => i).map(permutation(size, uniformGenerator(size)));
      assert.equal(new Set(order).size, size);
      assert.ok(order.every((number) => number >= 0 && number < size));
    }
    const orders = [1, 2, 2].map((seed) =>
      numbered(1000)
        .map(permutation(1000, uniformGenerator(seed)))
        .join(),
    );
    assert.notEqual(orders[0], orders[1]);
    assert.equal(orders[1], orders[2]);
  });

  it('looks random: neighbours end up far apart, and no number favours its place', () => {
    const size = 10_000;
    const at = permutation(size, uniformGenerator(7));
    const steps = Array.from({ length: size - 1 }, (_, i) => Math.abs(at(i + 1) - at(i)));
    const mean = steps.reduce((sum, step) => sum + step, 0) / steps.length;
    assert.ok(Math.abs(mean / size - 1 / 3) < 0.02, `mean step ${mean / size}, of a random order 1/3`);
  });
});

describe('mixture', () => {
  const workspace = new Workspace();
  const file = workspace.tokens(numbered(1005));
  after(() => {
    file.close();
    workspace.remove();
  });

  function domains(weights: Record<string, number>): MixtureDomain[] {
    return Object.entries(weights).map(([name, weight]) => ({ name, weight, file }));
  }

  it('holds the proportions at any time', () => {
    const sampler = new MixtureSampler(domains({ law: 6, math: 3, code: 1 }), CONTEXT, 1);
    for (let total = 1; total <= 1000; total++) {
      sampler.next(1);
      const { draws } = sampler.position();
      for (const [name, share] of Object.entries({ law: 0.6, math: 0.3, code: 0.1 })) {
        assert.ok(Math.abs(draws[name]! - share * total) < 1, `${name} has ${draws[name]} of ${total}`);
      }
    }
    assert.deepEqual(sampler.position(), { draws: { law: 600, math: 300, code: 100 } });
  });

  it('goes on from a saved position as if it had never stopped', () => {
    const mix = domains({ law: 0.7, math: 0.3 });
    const whole = new MixtureSampler(mix, CONTEXT, 5);
    for (let step = 0; step < 77; step++) whole.next(4);
    const saved = JSON.parse(JSON.stringify(whole.position()));
    const resumed = new MixtureSampler(mix, CONTEXT, 5, saved);
    for (let step = 0; step < 77; step++) assert.deepEqual(resumed.next(4), whole.next(4));
    assert.notDeepEqual(new MixtureSampler(mix, CONTEXT, 6, saved).next(4), resumed.next(4));
    assert.throws(() => new MixtureSampler(domains({ law: 1 }), CONTEXT, 5, saved), {
      reason: 'other-mixture',
      message: /law, math.*law/,
    });
  });

  it('visits every window once an epoch, with borders and order that change', () => {
    const sampler = new MixtureSampler(domains({ law: 1 }), CONTEXT, 3);
    const windows = Math.floor(1004 / CONTEXT) - 1;
    const borders = new Set<number>();
    const orders = new Set<string>();
    const seen = new Set<number>();
    for (let epoch = 0; epoch < 200; epoch++) {
      const { inputs } = sampler.next(windows);
      const starts = Array.from({ length: windows }, (_, i) => inputs[i * CONTEXT]!);
      const first = Math.min(...starts);
      const expected = Array.from({ length: windows }, (_, i) => first + i * CONTEXT);
      assert.deepEqual(
        [...starts].sort((a, b) => a - b),
        expected,
      );
      borders.add(first % CONTEXT);
      orders.add(starts.map((start) => start - first).join());
      inputs.forEach((token) => seen.add(token));
    }
    assert.equal(borders.size, CONTEXT);
    assert.equal(orders.size, 200);
    assert.equal(seen.size, 1004, 'every token but the last is an input sooner or later');
  });

  it('gives targets that are one token ahead', () => {
    const { inputs, targets } = new MixtureSampler(domains({ law: 1 }), CONTEXT, 3).next(5);
    assert.equal(inputs.length, 5 * CONTEXT);
    assert.deepEqual(
      targets,
      inputs.map((token) => token + 1),
    );
    for (let row = 0; row < 5; row++) {
      for (let i = 1; i < CONTEXT; i++) assert.equal(inputs[row * CONTEXT + i], inputs[row * CONTEXT]! + i);
    }
  });

  it('takes a domain of exactly one sequence, and refuses one that is a token shorter', () => {
    const exact = new MixtureSampler(domains({ law: 1 }), 1004, 1).next(2);
    assert.equal(exact.inputs[1004], 0);
    assert.equal(exact.targets.at(-1), 1004);
    assert.throws(() => new MixtureSampler(domains({ law: 1 }), 1005, 1), {
      name: 'DataError',
      reason: 'corpus-too-small',
      message: /Domain law: its training part has 1005 tokens; one sequence needs 1006/,
    });
  });
});

describe('held-out', () => {
  const workspace = new Workspace();
  const heldOut = workspace.tokens(numbered(100));
  const domain = { name: 'law', heldOut };
  after(() => {
    heldOut.close();
    workspace.remove();
  });

  it('reads consecutive sequences up to the asked tokens, the last batch as small as it is', () => {
    const batches = [...heldOutBatches(domain, { context: CONTEXT, maximumTokens: 60, batch: 3 })];
    assert.deepEqual(
      batches.map(({ sequences }) => sequences),
      [3, 3, 1],
    );
    assert.deepEqual(
      batches.flatMap(({ inputs }) => [...inputs]),
      [...numbered(56)],
    );
    assert.deepEqual([...batches[2]!.targets], [49, 50, 51, 52, 53, 54, 55, 56]);
  });

  it('reads all of a part that is smaller than asked, and one sequence at least', () => {
    const tokens = (maximumTokens: number) =>
      [...heldOutBatches(domain, { context: CONTEXT, maximumTokens, batch: 5 })].flatMap(({ inputs }) => [...inputs]);
    assert.equal(tokens(1e9).length, 96);
    assert.equal(tokens(1).length, CONTEXT);
  });

  it('refuses a part without one sequence at once', () => {
    assert.throws(() => heldOutBatches(domain, { context: 100, maximumTokens: 1000, batch: 1 }), {
      reason: 'corpus-too-small',
      message: /Domain law: its held-out part has 100 tokens; one sequence needs 101/,
      advice: /heldOut/,
    });
  });

  it('counts bits per byte', () => {
    assert.equal(bitsPerByte(Math.log(256), 1), 8);
    assert.equal(bitsPerByte(Math.log(2), 0.25), 0.25);
  });
});
