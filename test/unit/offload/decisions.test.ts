import assert from 'node:assert/strict';
import { ExpertCache, type ExpertCopy, type Part, type PolicyWeights } from '../../../src/offload/cache';
import { choosePolicy, replay, weightGrid } from '../../../src/offload/calibrate';
import { demandsOf, gatesWithout, wantedPrecisions } from '../../../src/offload/loading';
import { policyNamed, slotsOf } from '../../../src/offload/policies';
import { planPrefetch } from '../../../src/offload/prefetch';
import type { LayerRouting, RoutingTrace } from '../../../src/offload/trace';
import { BamError } from '../../../src/base/errors';

const THRESHOLDS = { t1: 0.6, t2: 0.9 };
const high = (layer: number, expert: number): ExpertCopy => ({ layer, expert, part: 'high' });
const low = (layer: number, expert: number): ExpertCopy => ({ layer, expert, part: 'low' });
const routing = (experts: number[], gates: number[]): LayerRouting => ({ experts, gates });

describe('dynamic loading', () => {
  it('loads in high precision up to T1, in low up to T2, and nothing beyond', () => {
    assert.deepEqual(wantedPrecisions([0.6, 0.4], THRESHOLDS), ['high', 'high']);
    assert.deepEqual(wantedPrecisions([0.61, 0.39], THRESHOLDS), ['high', 'low']);
    assert.deepEqual(wantedPrecisions([0.9, 0.1], THRESHOLDS), ['high', 'low']);
    assert.deepEqual(wantedPrecisions([0.91, 0.09], THRESHOLDS), ['high', 'skip']);
    // Sums before: 0, 0.5, 0.75, 0.95.
    assert.deepEqual(wantedPrecisions([0.5, 0.25, 0.2, 0.05], THRESHOLDS), ['high', 'high', 'low', 'skip']);
  });

  it('never loads the first in low precision, and takes gates that sum to something else as shares', () => {
    assert.deepEqual(wantedPrecisions([1], { t1: 0, t2: 0 }), ['high']);
    assert.deepEqual(wantedPrecisions([0.5, 0.5], { t1: 0, t2: 0 }), ['high', 'skip']);
    assert.deepEqual(wantedPrecisions([0.32, 0.18], THRESHOLDS), ['high', 'low']);
  });

  it('wants all in high precision without thresholds', () => {
    assert.deepEqual(wantedPrecisions([0.95, 0.05], undefined), ['high', 'high']);
  });

  it('takes the highest precision that a token of several wants an expert in', () => {
    const tokens = [routing([2, 0], [0.95, 0.05]), routing([1, 2], [0.7, 0.3]), routing([1, 0], [0.8, 0.2])];
    assert.deepEqual(demandsOf(tokens, THRESHOLDS), [
      { expert: 2, wanted: 'high', uses: 2 },
      { expert: 0, wanted: 'low', uses: 2 },
      { expert: 1, wanted: 'high', uses: 2 },
    ]);
  });

  it('keeps the sum of the gates where an expert is left out', () => {
    assert.deepEqual(
      gatesWithout([0.5, 0.25, 0.25], (i) => i === 2),
      [0.5 / 0.75, 0.25 / 0.75, 0],
    );
    assert.deepEqual(
      gatesWithout([0.25, 0.25], (i) => i === 1),
      [0.5, 0],
    );
    assert.deepEqual(
      gatesWithout([0.25, 0.25], () => true),
      [0, 0],
    );
  });
});

describe('the cache', () => {
  const cacheWith = (weights: Partial<PolicyWeights>, slots: Partial<Record<Part, number>> = {}): ExpertCache => {
    const all = { lru: 0, lfu: 0, lhu: 0, fld: 0, ...weights };
    return new ExpertCache({
      ...{ layers: 4, slots: { high: 2, low: 1, ...slots } },
      policy: { weights: all, perSequence: true, keeps: true },
    });
  };
  /** Puts an expert in and lets it go at once. */
  const put = (cache: ExpertCache, copy: ExpertCopy, layer = copy.layer): ExpertCopy[] | undefined => {
    const gone = cache.reserve(copy, layer, true);
    if (gone) cache.pin(copy, false);
    return gone;
  };

  it('has the priority of the formula', () => {
    const cache = cacheWith({ lru: 0.1, lfu: 0.2, lhu: 0.3, fld: 0.4 });
    cache.startTokens(5);
    cache.use(high(1, 0), 3);
    cache.startTokens(1);
    cache.use(low(1, 0), 1);
    cache.startTokens(4);
    // R = 6, F = 4, H = 3, T = 10; layer 1 comes 2 layers behind layer 3 of 4.
    const expected = 0.1 * 0.6 + 0.2 * 0.4 + 0.3 * 0.3 + 0.4 * (1 - 2 / 4);
    assert.ok(Math.abs(cache.priority({ layer: 1, expert: 0 }, 3) - expected) < 1e-12);
    // The layer that computes is nearest, the one before it farthest.
    const distance = cacheWith({ fld: 1 });
    assert.deepEqual(
      [0, 1, 2, 3].map((layer) => distance.priority({ layer, expert: 0 }, 1)),
      [0.25, 1, 0.75, 0.5],
    );
  });

  it('forgets with every text where it should', () => {
    const cache = cacheWith({ lfu: 1 });
    cache.startTokens(2);
    cache.use(high(0, 0), 2);
    assert.equal(cache.priority({ layer: 0, expert: 0 }, 0), 1);
    cache.startSequence();
    cache.startTokens(1);
    assert.equal(cache.priority({ layer: 0, expert: 0 }, 0), 0);
  });

  it('gives up the expert with the least priority', () => {
    const byLayer = cacheWith({ fld: 1 });
    put(byLayer, high(0, 0));
    put(byLayer, high(2, 0));
    // While layer 1 computes, layer 0 is 3 layers ahead, layer 2 one.
    assert.deepEqual(put(byLayer, high(1, 0), 1), [high(0, 0)]);
    const byUse = cacheWith({ lfu: 1 });
    byUse.startTokens(3);
    for (const [copy, uses] of [
      [high(0, 0), 1],
      [high(0, 1), 3],
    ] as const) {
      put(byUse, copy);
      byUse.use(copy, uses);
    }
    assert.deepEqual(put(byUse, high(0, 2)), [high(0, 0)]);
    assert.deepEqual(byUse.contents('high'), [high(0, 1), high(0, 2)]);
  });

  it('takes the one that was used longest ago between equals', () => {
    const cache = cacheWith({ lru: 1 });
    cache.startTokens(1);
    for (const copy of [high(0, 1), high(1, 1)]) {
      put(cache, copy);
      cache.use(copy, 1);
    }
    cache.use(high(0, 1), 1);
    assert.deepEqual(put(cache, high(2, 0)), [high(1, 1)]);
  });

  it('counts uses in high precision apart', () => {
    const cache = cacheWith({ lhu: 1 });
    cache.startTokens(4);
    put(cache, high(0, 0));
    put(cache, high(0, 1));
    cache.use(low(0, 0), 4);
    cache.use(high(0, 1), 1);
    assert.deepEqual(put(cache, high(0, 2)), [high(0, 0)]);
  });

  it('holds fast what is in use, and what is masked unless it must be', () => {
    const cache = cacheWith({ lru: 1 });
    put(cache, high(0, 0));
    put(cache, high(0, 1));
    cache.pin(high(0, 0), true);
    cache.mask([{ layer: 0, expert: 1 }]);
    assert.equal(cache.reserve(high(1, 0), 0, false), undefined);
    assert.deepEqual(cache.reserve(high(1, 0), 0, true), [high(0, 1)]);
    assert.equal(cache.reserve(high(1, 1), 0, true), undefined);
  });

  it('may have a share for every layer', () => {
    const policy = { weights: { lru: 1, lfu: 0, lhu: 0, fld: 0 }, perSequence: false, keeps: true, byLayer: true };
    // Of 5 places layer 0 has 2 and layer 1 has 3.
    const cache = new ExpertCache({ layers: 2, slots: { high: 5, low: 0 }, policy });
    const gone = [high(0, 0), high(0, 1), high(0, 2), high(1, 0), high(1, 1), high(1, 2), high(1, 3)].map((copy) =>
      put(cache, copy),
    );
    assert.deepEqual(gone, [[], [], [high(0, 0)], [], [], [], [high(1, 0)]]);
  });

  it('has two parts that do not take from each other', () => {
    const cache = cacheWith({ lru: 1 });
    put(cache, high(0, 0));
    put(cache, high(0, 1));
    assert.deepEqual(put(cache, low(0, 2)), []);
    assert.deepEqual(put(cache, low(0, 3)), [low(0, 2)]);
    assert.ok(cache.has(high(0, 0)) && !cache.has(low(0, 0)));
  });
});

describe('a budget', () => {
  const expertBytes = { high: 100, low: 15 };

  it('is divided into experts of both precisions', () => {
    assert.deepEqual(slotsOf({ bytes: 1000, expertBytes, lowShare: 0.2 }), { high: 8, low: 13 });
    assert.deepEqual(slotsOf({ bytes: 1000, expertBytes, lowShare: 0 }), { high: 10, low: 0 });
    assert.deepEqual(slotsOf({ bytes: 115, expertBytes, lowShare: 0.1 }), { high: 1, low: 1 });
  });

  it('holds one expert at least', () => {
    const refused = (bytes: number, lowShare: number): string => {
      try {
        slotsOf({ bytes, expertBytes, lowShare });
        return 'none';
      } catch (error) {
        assert.ok(error instanceof BamError);
        return `${error.reason}: ${error.message}`;
      }
    };
    assert.equal(refused(99, 0), 'budget: The budget for experts should be 100 bytes at least, found 99.');
    assert.equal(refused(114, 0.2), 'budget: The budget for experts should be 115 bytes at least, found 114.');
    assert.equal(refused(100, 0), 'none');
  });
});

describe('loading ahead', () => {
  const predictions = [routing([1, 3], [0.7, 0.3]), routing([0, 2], [0.5, 0.5]), routing([4, 5], [0.92, 0.08])];
  const planWith = (there: ExpertCopy[], thresholds: typeof THRESHOLDS | null = THRESHOLDS) =>
    planPrefetch({
      ...{ layer: 5, predictions, thresholds: thresholds ?? undefined },
      has: (copy) => there.some((one) => JSON.stringify(one) === JSON.stringify(copy)),
    });

  it('takes the missing experts of the next layer', () => {
    assert.deepEqual(planWith([]).loads, [high(6, 1), low(6, 3)]);
    assert.deepEqual(planWith([high(6, 1)]).loads, [low(6, 3)]);
    assert.deepEqual(planWith([high(6, 1)]).masked, [
      { layer: 6, expert: 1 },
      { layer: 6, expert: 3 },
    ]);
    assert.deepEqual(planWith([], null).loads, [high(6, 1), high(6, 3)]);
  });

  it('goes on to the first layer that misses one', () => {
    // A copy in high precision serves for one in low.
    const { loads, masked } = planWith([high(6, 1), high(6, 3), high(7, 2)]);
    assert.deepEqual(loads, [high(7, 0)]);
    assert.equal(masked.length, 4);
    // In the third layer the second expert is not worth a load.
    const all = [high(6, 1), low(6, 3), high(7, 0), high(7, 2)];
    assert.deepEqual(planWith(all).loads, [high(8, 4)]);
    assert.deepEqual(planWith([...all, high(8, 4)]).loads, []);
    assert.equal(planWith([...all, high(8, 4)]).masked.length, 5);
  });

  it('does not take a copy in low precision for one in high', () => {
    assert.deepEqual(planWith([low(6, 1), low(6, 3)]).loads, [high(6, 1)]);
  });
});

/** One layer; each token is sent to one expert. */
function traceOf(texts: number[][], prompt = 0): RoutingTrace {
  const tokens = (experts: number[]) =>
    experts.map((expert) => ({ layers: [routing([expert], [1])], predictions: [[]] }));
  const sequences = texts.map((experts) => ({ prompt, tokens: tokens(experts) }));
  return { layers: 1, experts: 8, sequences };
}

describe('a replayed trace', () => {
  const budget = { bytes: 200, expertBytes: { high: 100, low: 25 }, lowShare: 0 };
  const weights = { lru: 0.25, lfu: 0.25, lhu: 0.25, fld: 0.25 };
  const counts = (trace: RoutingTrace, name: Parameters<typeof policyNamed>[0]) =>
    replay(trace, { budget, policy: policyNamed(name, weights) });

  it('misses what a cache of two misses', () => {
    const trace = traceOf([[0, 1, 0, 2, 0, 1]]);
    // LRU: 0 and 1 come, 2 takes the place of 1, and 1 that of 2.
    const lru = counts(trace, 'lru');
    assert.deepEqual([lru.hits, lru.misses.high, lru.penalty, lru.bytes], [2, 4, 4, 400]);
    const nothing = counts(trace, 'on-demand');
    assert.deepEqual([nothing.hits, nothing.misses.high], [0, 6]);
    // 0 is used twice, then 1, 2, 3 in turn: LFU keeps 0, LRU loses it.
    const often = traceOf([[0, 0, 1, 2, 3, 0]]);
    assert.equal(counts(often, 'lfu').hits, 2);
    assert.equal(counts(often, 'lru').hits, 1);
  });

  it('computes a prompt at once', () => {
    const { hits, misses } = counts(traceOf([[0, 1, 0, 1, 0]], 4), 'lru');
    assert.deepEqual([hits, misses.high], [1, 4]);
  });

  it('does with room for one what it does with room for all', () => {
    const small = { ...budget, bytes: 100 };
    const { hits, misses, bytes } = replay(traceOf([[0, 1, 2, 3]], 4), {
      budget: small,
      policy: policyNamed('lru', weights),
    });
    assert.deepEqual([hits, misses.high, bytes], [0, 4, 400]);
  });

  it('weighs a miss in low precision by its bytes', () => {
    const token = { layers: [routing([0, 1], [0.8, 0.2])], predictions: [[]] };
    const skipped = { layers: [routing([2, 3], [0.95, 0.05])], predictions: [[]] };
    const free = { layers: [routing([2, 0], [0.95, 0.05])], predictions: [[]] };
    const trace = { layers: 1, experts: 4, sequences: [{ prompt: 0, tokens: [token, skipped, free] }] };
    const options = {
      ...{ budget: { ...budget, bytes: 400, lowShare: 0.1 }, thresholds: THRESHOLDS },
      policy: policyNamed('lru', weights),
    };
    const { hits, misses, penalty, skipped: left, bytes } = replay(trace, options);
    assert.deepEqual(
      { hits, misses, penalty, left, bytes },
      { hits: 2, misses: { high: 2, low: 1 }, penalty: 2.25, left: 1, bytes: 225 },
    );
  });

  it('chooses the weights that miss least', () => {
    assert.equal(weightGrid(0.25).length, 35);
    for (const { lru, lfu, lhu, fld } of weightGrid(0.25)) assert.equal(lru + lfu + lhu + fld, 1);
    // Frequency alone keeps 0 here; recency gives it up for what comes once.
    const trace = traceOf([[0, 0, 0, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0]]);
    const chosen = choosePolicy(trace, { budget });
    assert.equal(chosen.lowShare, 0);
    assert.equal(chosen.penalty, 7);
    assert.ok(chosen.weights.lfu + chosen.weights.lhu > 0);
    const recency = { lru: 1, lfu: 0, lhu: 0, fld: 0 };
    assert.ok(replay(trace, { budget, policy: policyNamed('hobbit', recency) }).penalty > 7);
  });
});
