import assert from 'node:assert/strict';
import { SerialLink } from '../../../src/offload/link';
import { policyNamed } from '../../../src/offload/policies';
import { simulate, type SimulatedMachine, type SimulatedSystem } from '../../../src/offload/simulate';
import type { LayerRouting, RoutingTrace, TokenRouting } from '../../../src/offload/trace';

describe('a link', () => {
  const link = new SerialLink<string>((item) => item.length);

  it('carries one after the other, urgent ones before others, and breaks none off', () => {
    link.push('aaaa', 0, false);
    link.push('bb', 0, false);
    assert.deepEqual([link.endOf('aaaa'), link.endOf('bb')], [4, 6]);
    assert.deepEqual(link.advance(1), []);
    link.push('ccc', 1, true);
    assert.deepEqual([link.endOf('aaaa'), link.endOf('ccc'), link.endOf('bb'), link.nextEnd()], [4, 7, 9, 4]);
    assert.deepEqual(link.advance(7), ['aaaa', 'ccc']);
    assert.equal(link.endOf('aaaa'), undefined);
    link.push('d', 7, false);
    link.push('eee', 7, false);
    assert.deepEqual(
      link.drop((item) => item === 'd' || item === 'bb'),
      ['d'],
    );
    link.push('ff', 7, false);
    link.hurry('ff');
    assert.deepEqual([link.endOf('bb'), link.endOf('ff'), link.endOf('eee')], [9, 11, 14]);
    assert.deepEqual(link.advance(100), ['bb', 'ff', 'eee']);
  });

  it('works while nobody looks, and rests when there is nothing', () => {
    const busy = new SerialLink<string>((item) => item.length);
    busy.push('aa', 0, false);
    busy.push('bb', 0, false);
    // Both are through at 4, though nobody asked at 2.
    assert.deepEqual(busy.advance(4), ['aa', 'bb']);
    busy.push('c', 10, false);
    assert.equal(busy.nextEnd(), 11);
  });
});

const routing = (experts: number[], gates: number[]): LayerRouting => ({ experts, gates });

/** Two layers of four experts; each token is given as the choices of both layers, which its predictions foresee. */
function traceOf(tokens: LayerRouting[][], prompt = 0, foreseen = tokens): RoutingTrace {
  const all = tokens.map((layers, i): TokenRouting => ({ layers, predictions: [[foreseen[i]![1]!], []] }));
  return { layers: 2, experts: 4, sequences: [{ prompt, tokens: all }] };
}

// A load of a whole expert takes 10 s, one in low precision 2; an expert computes for 1 s, in low precision for 0.5; the rest of a layer for 3.
const MACHINE: SimulatedMachine = {
  ...{ bandwidth: 10, layerSeconds: 3, tokenSeconds: 0.25 },
  expertSeconds: { high: 1, low: 0.5 },
};
const WEIGHTS = { lru: 1, lfu: 0, lhu: 0, fld: 0 };
const SYSTEM: SimulatedSystem = {
  ...{ slots: { high: 8, low: 8 }, expertBytes: { high: 100, low: 20 }, prefetch: 0 },
  policy: policyNamed('lru', WEIGHTS),
};

function decode(trace: RoutingTrace, system: Partial<SimulatedSystem> = {}): number {
  return simulate(trace, { ...SYSTEM, ...system }, MACHINE).decodeSeconds;
}

describe('a simulated machine', () => {
  const one = [routing([0], [1]), routing([1], [1])];
  const two = [routing([0, 1], [0.7, 0.3]), routing([2, 3], [0.5, 0.5])];

  it('waits for what is not there, and does not for what is', () => {
    assert.equal(decode(traceOf([one])), 2 * (3 + 10 + 1));
    assert.equal(decode(traceOf([one, one])), 28 + 2 * (3 + 1));
    assert.equal(decode(traceOf([one, one]), { policy: policyNamed('on-demand', WEIGHTS) }), 56);
  });

  it('computes the first expert while the second is on its way', () => {
    // 3, then 10 and 20 for the loads; the first computes while the second comes.
    assert.equal(decode(traceOf([two])), 2 * (3 + 20 + 1));
    // With room for one expert the second load begins behind the first one's computing.
    assert.equal(decode(traceOf([two]), { slots: { high: 1, low: 0 } }), 2 * (3 + 10 + 1 + 10 + 1));
  });

  it('loads what matters less in low precision', () => {
    // Layer 0: the second has 0.7 before it, and takes 2 s; layer 1: 0.5, so both are loaded in high precision.
    assert.equal(decode(traceOf([two]), { thresholds: { t1: 0.6, t2: 0.9 } }), 3 + 12 + 0.5 + (3 + 20 + 1));
    // Beyond T2 the second is left out.
    assert.equal(decode(traceOf([two]), { thresholds: { t1: 0.4, t2: 0.6 } }), 3 + 10 + 1 + (3 + 12 + 0.5));
  });

  it('loads ahead while the layer before computes, behind what that is waiting for', () => {
    // Layer 0 waits to 13; its expert computes to 14 and the rest of layer 1 to 17, while the next load runs from 13 to 23.
    const run = simulate(traceOf([one]), { ...SYSTEM, prefetch: 1 }, MACHINE);
    assert.equal(run.decodeSeconds, 23 + 1);
    const { hits, foreseen, misses, prefetches, bytes } = run.counts;
    assert.deepEqual(
      { hits, foreseen, misses: misses.high, prefetches, bytes },
      { hits: 0, foreseen: 1, misses: 1, prefetches: 1, bytes: 200 },
    );
  });

  it('lets a load end that nobody needs', () => {
    const wrong = [routing([0], [1]), routing([3], [1])];
    // Expert 3 of layer 1 occupies the link to 23, then expert 1 comes to 33.
    assert.equal(decode(traceOf([one], 0, [wrong]), { prefetch: 1 }), 33 + 1);
    // Where there is room for one, nothing is loaded ahead of it.
    assert.equal(decode(traceOf([one], 0, [wrong]), { prefetch: 1, slots: { high: 1, low: 0 } }), 13 + 1 + 3 + 10 + 1);
  });

  it('computes a prompt at once: each expert that it wants is loaded once', () => {
    const prompt = [
      [routing([0], [1]), routing([1], [1])],
      [routing([0], [1]), routing([2], [1])],
      [routing([0], [1]), routing([2], [1])],
    ];
    const run = simulate(traceOf(prompt, 3), SYSTEM, MACHINE);
    assert.deepEqual([run.prefillTokens, run.decodeTokens, run.decodeSeconds], [3, 0, 0]);
    // Layer 0: 3 + 10 + 1.5; layer 1: 3 + 10, then 1 is computed while 2 comes at 20 and computes for 1.25.
    assert.equal(run.prefillSeconds, 14.5 + 3 + 20 + 1.25);
    assert.deepEqual(run.counts.misses, { high: 6, low: 0 });
    assert.equal(run.counts.bytes, 300);
  });
});
