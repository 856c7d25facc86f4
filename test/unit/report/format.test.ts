import assert from 'node:assert/strict';
import { formatCount, formatDuration, formatMeasure, formatTime } from '../../../src/base/format';
import { textTable } from '../../../src/base/text-table';
import { parseQuantity } from '../../../src/config/quantity';

describe('formatting', () => {
  it('shows counts in three digits that an experiment file may hold', () => {
    const counts = [0, 7, 950, 999.6, 1200, 12_345, 999_949, 999_999, 1e6, 2_660_000, 1.51e9, 4.2e15, 3e21];
    const shown = counts.map(formatCount);
    assert.deepEqual(shown, [
      '0',
      '7',
      '950',
      '1k',
      '1.2k',
      '12.3k',
      '1M',
      '1M',
      '1M',
      '2.66M',
      '1.51G',
      '4.2P',
      '3000E',
    ]);
    for (const text of shown.slice(1)) assert.ok(parseQuantity(text), text);
  });

  it('shows times in their two largest units', () => {
    assert.deepEqual([0.4, 59.6, 200, 18_120].map(formatDuration), ['0 s', '1 min 0 s', '3 min 20 s', '5 h 2 min']);
    assert.equal(formatTime(Date.UTC(2026, 10, 24, 17, 15, 59)), '2026-11-24 17:15 UTC');
  });

  it('shows perplexities in four digits', () => {
    assert.deepEqual([1, 9.9, 54.321, 543.21, 5432.1, 2.5e8].map(formatMeasure), [
      '1.000',
      '9.900',
      '54.32',
      '543.2',
      '5432',
      '2.50e+8',
    ]);
  });

  it('lines up numbers to the right and keeps control characters out of the terminal', () => {
    const table = textTable(
      ['name', 'count'],
      [
        ['a\u001b[31mred', '5'],
        ['b', '-'],
        ['c', '*12.5'],
      ],
    );
    const lines = ['name       count', '---------  -----', 'a [31mred      5', 'b              -', 'c          *12.5'];
    assert.deepEqual(table.split('\n'), lines);
  });
});
