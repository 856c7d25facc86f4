import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertSucceeded, TestWorkspace } from './support';

interface Bar {
  name: string;
  cat: 'part' | 'operation';
  ts: number;
  dur: number;
}

describe('bam run --profile', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  before(async () => {
    place = new TestWorkspace();
    assertSucceeded(await place.bam('run', place.file));
  });

  after(() => place.remove());

  it('writes a trace of a step of a stage that is done already, and says where the time goes', async () => {
    const profiled = await place.bam('run', place.file, '--profile', '--stages', 'mixture');
    assertSucceeded(profiled);
    assert.match(profiled.stdout + profiled.stderr, /A step of stage mixture.* takes \d+ ms: .*attention \d+ %/);
    const file = join(place.workspace.runFolder(place.run), 'profile-mixture.json');
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as { traceEvents: Bar[] };
    const parts = traceEvents.filter(({ cat }) => cat === 'part');
    const operations = traceEvents.filter(({ cat }) => cat === 'operation');
    for (const part of ['embedding', 'attention0', 'ffn1', 'head', 'backward/ffn0', 'optimizer'])
      assert.ok(
        parts.some(({ name }) => name === part),
        `${part} in ${parts.map(({ name }) => name).join(', ')}`,
      );
    for (const name of ['BatchMatMulV2', 'ResourceApplyAdam']) assert.ok(operations.some((bar) => bar.name === name));
    // One after the other: the bars of either kind fill the step, none of them twice.
    for (const bars of [parts, operations]) {
      bars.slice(1).forEach(({ ts }, i) => assert.ok(Math.abs(ts - bars[i]!.ts - bars[i]!.dur) < 1));
      assert.ok(bars.every(({ dur }) => dur >= 0));
    }
  });

  it('changes no result', () => {
    const cached = place.events().filter((event) => event.type === 'stage.cached');
    assert.deepEqual(
      cached.map(({ stage }) => stage),
      ['seed', 'sums', 'mixture'],
    );
  });

  it('is refused with --detach', async () => {
    const { stderr, code } = await place.bam('run', place.file, '--profile', '--detach');
    assert.equal(code, 1);
    assert.match(stderr, /--profile does not go with --detach/);
  });
});
