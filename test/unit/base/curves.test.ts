import assert from 'node:assert/strict';
import { groups, smoothCurve, spread, thinCurve } from '../../../src/base/curves';

describe('thinning', () => {
  it('keeps the peaks of a long curve, and all of a short one', () => {
    const curve = Array.from({ length: 10_000 }, (_, i) => (i === 4321 ? 99 : i === 8765 ? -99 : Math.sin(i / 100)));
    const shown = thinCurve(curve, 1000);
    assert.ok(shown.length <= 1000 && shown.length >= 500);
    assert.ok(shown.includes(4321) && shown.includes(8765));
    assert.deepEqual(
      shown,
      [...shown].sort((a, b) => a - b),
    );
    assert.deepEqual(thinCurve([3, 1, 2], 1000), [0, 1, 2]);
  });

  it('spreads and groups without losing an end', () => {
    const items = Array.from({ length: 101 }, (_, i) => i);
    assert.deepEqual(spread(items, 5), [0, 25, 50, 75, 100]);
    assert.deepEqual(groups(items, 10).flat(), items);
    assert.deepEqual(groups([1, 2], 10), [[1], [2]]);
  });

  it('smooths noise away, but moves neither a constant nor a slope', () => {
    assert.ok(smoothCurve([5, 5, 5], 10).every((value) => Math.abs(value - 5) < 1e-12));
    const noisy = Array.from({ length: 1001 }, (_, i) => 8 - i / 200 + (i % 2 ? 1 : -1));
    assert.ok(Math.abs(smoothCurve(noisy, 20)[500]! - 5.5) < 0.1, 'no lag behind the fall');
    assert.ok(Math.abs(smoothCurve([100, ...noisy], 20).at(-1)! - 3) < 0.2, 'the first value is forgotten');
  });
});
