import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertSucceeded, TestWorkspace, TINY } from './support';

const MATCHED = `${TINY}  dense: { from: seed, train: { like: mixture, match: compute } }\n`.replace(
  'seed: 3',
  'seeds: [3, 4]',
);

describe('bam report', function () {
  this.timeout(120_000);
  let place: TestWorkspace;
  before(async () => {
    place = new TestWorkspace(undefined, MATCHED);
    assertSucceeded(await place.bam('run', place.file, '--id', 'first'));
    // All of this run is cached but for a third seed.
    assertSucceeded(await place.bam('run', place.file, '--id', 'second', '--set', 'seeds=[4, 5]'));
  });
  after(() => place.remove());

  it('is one document on two runs, their seeds joined', async () => {
    const { stdout, ...ended } = await place.bam('report', 'first', 'second', '--format', 'json');
    assertSucceeded({ stdout, ...ended });
    const { rows, missing, stages, routing } = JSON.parse(stdout) as {
      rows: { group: string; role: string; seeds: number[]; match: unknown; average: { mean: number } }[];
      missing: string[];
      stages: { stage: string; average: number; seconds: number }[];
      routing: { group: string; load: { mean: number }[] }[];
    };
    assert.deepEqual(
      rows.map(({ group, role, seeds }) => [group, role, seeds.join()]),
      [
        ['seed', 'seed', '3,4,5'],
        ['sums', 'specialist', '3,4,5'],
        ['dense', 'dense', '3,4,5'],
        ['mixture', 'mixture', '3,4,5'],
      ],
    );
    assert.deepEqual(rows[2]!.match, { budget: 'compute', stage: 'mixture', countsParents: false });
    assert.deepEqual([missing, stages.length], [[], 12]);
    assert.ok(stages.every(({ seconds }) => seconds > 0));
    const logged = new Map([...place.outcome('first').averages, ...place.outcome('second').averages]);
    const mean = [3, 4, 5].reduce((sum, seed) => sum + logged.get(`mixture@seed=${seed}`)! / 3, 0);
    assert.ok(Math.abs(rows[3]!.average.mean - mean) < 1e-9);
    assert.equal(routing.length, 4, 'two routers on two domains');
    for (const { load } of routing) assert.ok(Math.abs(load.reduce((sum, one) => sum + one.mean, 0) - 1) < 1e-4);
  });

  it('is written to a file on demand', async () => {
    const file = join(place.root, 'papers', 'report.html');
    const { stdout, ...ended } = await place.bam('report', 'last', '--baseline', 'seed', '--to', file);
    assertSucceeded({ stdout, ...ended });
    assert.equal(stdout, '');
    assert.match(readFileSync(file, 'utf8'), /The difference is that of averages to seed/);
  });

  it('says which stages there are for a baseline that is not one', async () => {
    const { code, stderr } = await place.bam('report', 'last', '--baseline', 'nothing');
    assert.equal(code, 1);
    assert.match(stderr, /There is no stage "nothing" .*\n.*Name one of seed, sums, mixture, dense/);
  });
});
