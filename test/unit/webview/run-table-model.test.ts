import assert from 'node:assert/strict';
import { tableViewSchema } from '../../../src/messages/contract';
import { moved, seenRows, sortedBy } from '../../../webview/run-table/model';

describe('the page of the run table', () => {
  it('moves a column to a place, never out of the table', () => {
    assert.deepEqual(moved(['a', 'b', 'c'], 'a', 1), ['b', 'a', 'c']);
    assert.deepEqual(moved(['a', 'b', 'c'], 'c', 0), ['c', 'a', 'b']);
    assert.deepEqual(moved(['a', 'b', 'c'], 'a', -1), ['a', 'b', 'c']);
    assert.deepEqual(moved(['a', 'b', 'c'], 'b', 9), ['a', 'c', 'b']);
  });

  it('sorts by a column upwards, then downwards; by time the newest first', () => {
    const view = tableViewSchema.parse({ sort: { column: 'best', descending: false } });
    assert.deepEqual(sortedBy(view, 'best').sort, { column: 'best', descending: true });
    assert.deepEqual(sortedBy(view, 'bam.law').sort, { column: 'bam.law', descending: false });
    assert.deepEqual(sortedBy(view, 'started').sort, { column: 'started', descending: true });
  });

  it('draws every row that is seen, and few others', () => {
    for (const top of [0, 1, 259, 260, 25_000, 99_999]) {
      const [from, to] = seenRows(top, 500, 26, 1000);
      const [first, last] = [Math.floor(top / 26), Math.ceil((top + 500) / 26)];
      assert.ok(from <= Math.min(first, 1000) && to >= Math.min(last, 1000), `${top}: ${from} to ${to}`);
      assert.ok(to - from <= 60);
    }
    assert.deepEqual(seenRows(0, 500, 26, 0), [0, 0]);
  });
});
