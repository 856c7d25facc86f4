import assert from 'node:assert/strict';
import { BamError } from '../../src/base/errors';
import { fuzz, problemOf, shrink } from './fuzz';
import { targets } from './targets';
import type { Target } from './target';

/** Inputs of each reader here; `npm run test:fuzz` feeds as many as one likes. */
const INPUTS = 400;
const SEED = 1;

describe('readers that get broken input', function () {
  this.timeout(120_000);

  it('neither crash, nor take a second for one, nor keep memory', async () => {
    const all = await targets();
    assert.ok(all.length >= 15);
    for (const target of all) {
      const { findings } = await fuzz(target, { seed: SEED, inputs: target.short ?? INPUTS });
      const told = findings.map(({ kind, where, message, index }) => `${kind} at input ${index}: ${message} ${where}`);
      assert.deepEqual(told, [], target.name);
    }
  });
});

describe('the fuzzer', () => {
  const reader = (run: Target['run']): Target => ({
    name: 'x',
    corpus: [Buffer.from('one two'), Buffer.from('three')],
    run,
  });

  it('finds a crash, with the same input each time, and makes it small', async () => {
    const target = reader((input) => {
      if (input.includes(0x71)) throw new TypeError('a q');
    });
    const [first, again] = [
      await fuzz(target, { seed: 3, inputs: 2000 }),
      await fuzz(target, { seed: 3, inputs: 2000 }),
    ];
    assert.equal(first.findings[0]?.kind, 'crash');
    assert.deepEqual(first.findings[0], again.findings[0]);
    assert.equal((await shrink(target, first.findings[0]!, 3)).toString(), 'q');
  });

  it('finds what takes long and what is kept', async () => {
    const slow = reader((input) => {
      const end = process.cpuUsage().user + 1_200_000;
      while (input.toString() === 'three' && process.cpuUsage().user < end);
    });
    assert.deepEqual(
      (await fuzz(slow, { seed: 1, inputs: 2 })).findings.map(({ kind }) => kind),
      ['slow'],
    );
    const kept: Buffer[] = [];
    const greedy = reader(() => kept.push(Buffer.alloc(1e6)));
    assert.deepEqual(
      (await fuzz(greedy, { seed: 1, inputs: 1200 })).findings.map(({ kind }) => kind),
      ['memory'],
    );
  });

  it('takes only errors of the project that say what to expect', () => {
    assert.equal(problemOf(new BamError('x should be y', { reason: 'r' })), undefined);
    assert.ok(problemOf(new BamError('', { reason: 'r' })));
    assert.ok(problemOf(new RangeError('x')));
    assert.ok(problemOf('x'));
  });
});
