import assert from 'node:assert/strict';
import { Refresher } from '../../../src/extension/panels/refresher';

describe('the refresher of a panel', () => {
  it('works once more for calls that came while it was at work, also where that work failed', async () => {
    const told: unknown[] = [];
    const ends: { finish: () => void; fail: (error: Error) => void }[] = [];
    const work = (): Promise<void> => new Promise((finish, fail) => ends.push({ finish, fail }));
    const refresher = new Refresher(work, (error) => told.push(error));
    const first = refresher.refresh();
    void refresher.refresh();
    void refresher.refresh();
    assert.equal(ends.length, 1);
    const error = new Error('the folder went while it was read');
    ends[0]!.fail(error);
    await new Promise(setImmediate);
    assert.deepEqual(told, [error]);
    assert.equal(ends.length, 2, 'once for both calls');
    ends[1]!.finish();
    await first;
    void refresher.refresh();
    assert.equal(ends.length, 3);
  });
});
