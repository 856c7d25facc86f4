import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BamError, CheckpointError, explainError, hasCode } from '../../../src/base/errors';
import { diskError, readJson, writeFileAtomic } from '../../../src/base/files';
import { deriveSeed, normalValues, uniformGenerator } from '../../../src/base/random';
import { withSmallDisk } from './small-disk';

describe('errors', () => {
  it('show their message and advice, and the trace of what is a fault of the program', () => {
    const error = new CheckpointError('It is cut.', { reason: 'damaged', advice: 'Delete it.', cause: 'why' });
    assert.ok(error instanceof BamError);
    assert.deepEqual([error.name, error.reason, error.cause], ['CheckpointError', 'damaged', 'why']);
    assert.equal(explainError(error), 'It is cut.\n  Delete it.');
    assert.equal(explainError(new BamError('Only this.', { reason: 'x' })), 'Only this.');
    assert.match(explainError(new TypeError('oops')), /oops\n\s+at /);
    assert.equal(explainError('text'), 'text');
  });

  it('tell system errors apart by code', () => {
    const full = Object.assign(new Error('write'), { code: 'ENOSPC' });
    assert.ok(hasCode(full, 'ENOSPC') && !hasCode(full, 'ENOENT') && !hasCode('ENOSPC', 'ENOSPC'));
    assert.equal((diskError(full, '/a/b') as BamError).reason, 'no-space');
    assert.match((diskError(full, '/a/b') as BamError).message, /\/a\/b/);
    assert.equal((diskError(Object.assign(new Error(), { code: 'EACCES' }), '/a') as BamError).reason, 'read-only');
    const other = new Error('other');
    assert.equal(diskError(other, '/a'), other);
  });
});

describe('files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bam-files-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are written whole, in folders that need not exist, and leave nothing beside', () => {
    const path = join(folder, 'deep', 'er', 'a.json');
    writeFileAtomic(path, '{"a":1}');
    assert.deepEqual(readJson(path), { a: 1 });
    writeFileAtomic(path, Uint8Array.of(50));
    assert.equal(readFileSync(path, 'utf8'), '2');
    assert.deepEqual(readdirSync(join(folder, 'deep', 'er')), ['a.json']);
  });

  it('stay as they were where the new content cannot take their place', () => {
    const path = join(folder, 'taken');
    mkdirSync(join(path, 'inside'), { recursive: true });
    assert.throws(() => writeFileAtomic(path, 'x'));
    assert.deepEqual(readdirSync(folder), ['taken']);
    assert.deepEqual(readdirSync(path), ['inside']);
  });

  it('keep the old content when the disk is full (needs root on Linux)', function () {
    return withSmallDisk(this, 64, (disk) => {
      const path = join(disk, 'a.txt');
      writeFileAtomic(path, 'old');
      assert.throws(() => writeFileAtomic(path, 'x'.repeat(100_000)), { reason: 'no-space', message: /a\.txt/ });
      assert.equal(readFileSync(path, 'utf8'), 'old');
      assert.deepEqual(readdirSync(disk), ['a.txt']);
    });
  });

  it('are no JSON by their path, and nothing where there is none', () => {
    assert.equal(readJson(join(folder, 'none.json')), undefined);
    const path = join(folder, 'bad.json');
    writeFileSync(path, '{"a":');
    assert.throws(() => readJson(path), { reason: 'not-json', message: /bad\.json should hold JSON/ });
  });
});

describe('random numbers', () => {
  it('have a seed of their own for each purpose', () => {
    assert.equal(deriveSeed(1, 'a', 2), deriveSeed(1, 'a', 2));
    const seeds = [
      deriveSeed(1, 'a'),
      deriveSeed(2, 'a'),
      deriveSeed(1, 'b'),
      deriveSeed(1, 'a', 0),
      deriveSeed(1, 'a0'),
    ];
    assert.equal(new Set(seeds).size, seeds.length);
    assert.ok(seeds.every((seed) => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32));
  });

  it('are uniform in [0, 1), and the same for the same seed', () => {
    const draw = (seed: number) => Array.from({ length: 20_000 }, uniformGenerator(seed));
    const values = draw(7);
    assert.deepEqual(values.slice(0, 10), draw(7).slice(0, 10));
    assert.notDeepEqual(values.slice(0, 10), draw(8).slice(0, 10));
    assert.ok(values.every((value) => value >= 0 && value < 1));
    const tenths = Array<number>(10).fill(0);
    for (const value of values) tenths[Math.floor(value * 10)]!++;
    // Each tenth expects 2000, standard deviation 42.
    for (const count of tenths) assert.ok(Math.abs(count - 2000) < 210, String(tenths));
  });

  it('are normal with the deviation asked for, for odd counts too', () => {
    const values = normalValues(3, 20_001, 0.02);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    assert.ok(Math.abs(mean) < 0.001, String(mean));
    assert.ok(Math.abs(deviation - 0.02) < 0.0005, String(deviation));
    const within = values.filter((value) => Math.abs(value) < 0.02).length / values.length;
    assert.ok(Math.abs(within - 0.6827) < 0.02, String(within));
    assert.ok(values.every(Number.isFinite));
    assert.deepEqual(normalValues(3, 5, 1), normalValues(3, 6, 1).subarray(0, 5));
  });
});
