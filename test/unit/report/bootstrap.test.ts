import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatMeasure } from '../../../src/base/format';
import { formatSummary, summarize } from '../../../src/base/statistics';
import { bootstrapInterval } from '../../../src/report/bootstrap';

interface Case {
  values: number[];
  mean: number;
  deviation: number;
  low: number;
  high: number;
}

const stored = join(import.meta.dirname, '../../parity/stored/statistics.json');
const CASES = JSON.parse(readFileSync(stored, 'utf8')) as Case[];

describe('statistics over seeds', () => {
  it('are the mean and the sample standard deviation, as numpy has them', () => {
    for (const { values, mean, deviation } of CASES) {
      const found = summarize(values)!;
      assert.ok(Math.abs(found.mean - mean) < 1e-12 && Math.abs(found.deviation! - deviation) < 1e-12);
      assert.equal(found.n, values.length);
    }
    assert.equal(summarize([]), null);
    assert.equal(formatSummary(summarize([5, 6])!, formatMeasure), '5.500 ± 0.707 (2)');
    assert.equal(formatSummary(summarize([5])!, formatMeasure), '5.000 (1)');
  });
});

describe('the bootstrap interval of a mean', () => {
  it('is that of numpy, to the error of 10,000 resamples', () => {
    for (const { values, deviation, low, high } of CASES) {
      const found = bootstrapInterval(values)!;
      // The standard error of such a quantile is about 2.7 / sqrt(10,000) standard errors of the mean; four of them.
      const allowed = 0.11 * (deviation / Math.sqrt(values.length));
      assert.ok(Math.abs(found.low - low) < allowed, `${found.low} should be ${low}`);
      assert.ok(Math.abs(found.high - high) < allowed, `${found.high} should be ${high}`);
    }
  });

  it('runs from the lowest to the highest of up to three numbers, whose extreme resamples are more than 2.5 %', () => {
    assert.deepEqual(bootstrapInterval([3, 1]), { low: 1, high: 3 });
    assert.deepEqual(bootstrapInterval([1, 4, 2]), { low: 1, high: 4 });
  });

  it('begins, of four numbers, where more than 2.5 % of the resamples lie', () => {
    // Of 256 resamples 1 has the mean 0, 4 have 0.25, which is 2.0 % together, and 6 have 0.5; the upper end is its mirror.
    assert.deepEqual(bootstrapInterval([0, 1, 100, 101]), { low: 0.5, high: 100.5 });
  });

  it('is the same every time, moves with its numbers, and needs two', () => {
    const values = CASES[1]!.values;
    const { low, high } = bootstrapInterval(values)!;
    assert.deepEqual(bootstrapInterval(values), { low, high });
    const moved = bootstrapInterval(values.map((value) => value + 5))!;
    assert.ok(Math.abs(moved.low - low - 5) < 1e-12 && Math.abs(moved.high - high - 5) < 1e-12);
    assert.equal(bootstrapInterval([1]), null);
  });
});
