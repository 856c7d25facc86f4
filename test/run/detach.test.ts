import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDetached } from '../../src/launch/detach';
import { assertSucceeded, outcome, TestWorkspace, TINY, untilGone } from './support';

const CLI = join(__dirname, '..', '..', 'dist', 'cli.js');

describe('a detached run', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  beforeEach(() => {
    place = new TestWorkspace();
  });
  afterEach(() => place.remove());

  const ended = (run: string) => place.until((event) => event.type === 'run.ended', run);

  it('outlives who started it; killed with all its processes and resumed by its id, it ends with the same numbers', async () => {
    const calm = await place.detach('run', place.file);
    await ended(calm.run);
    await untilGone(calm.pid);
    const undisturbed = place.outcome(calm.run);
    assert.equal(undisturbed.losses.size, 60 + 20 + 20);
    assert.ok(existsSync(place.workspace.reportFile(calm.run)), 'it writes its report');
    place.remove();

    place = new TestWorkspace();
    const { run, pid } = await place.detach('run', place.file);
    assert.ok((await place.bam('runs')).stdout.includes(run), 'it is listed at once');
    await place.until((event) => event.type === 'step' && event.step === 33, run);
    const trainer = place.trainerPid(run);
    for (const process_ of [pid, trainer]) process.kill(process_, 'SIGKILL');
    await Promise.all([untilGone(pid), untilGone(trainer)]);
    assert.equal((await place.show(run)).state, 'interrupted');
    // Its own copy of the file counts from here on.
    rmSync(place.file);
    assert.equal((await place.detach('resume', run)).run, run);
    await ended(run);
    assert.deepEqual(place.outcome(run), undisturbed);
    assert.deepEqual(readdirSync(place.workspace.runsFolder), [run], 'resuming makes no new run');
    const again = await place.bam('resume', run);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /cannot go on: it is finished/);
  });

  it('goes on with the settings and stages that it was started with', async () => {
    const tokens = 'stages.seed.train.tokens=12800';
    const { run } = await place.detach('run', place.file, '--stages', 'sums', '--set', tokens);
    await place.until((event) => event.type === 'step' && event.step === 5, run);
    assertSucceeded(await place.bam('stop', run));
    const resumed = await place.bam('resume', 'last');
    assertSucceeded(resumed);
    const { stages, state } = await place.show(run);
    assert.deepEqual(
      [state, ...stages.map(({ name, steps }) => `${name} ${steps}`)],
      ['finished', 'seed 100', 'sums 20'],
    );
  });

  it('that fails before it can train is listed as failed, with what is wrong at its place in the file', async () => {
    writeFileSync(place.file, TINY.replace('prose/*.txt', 'nothing/*.txt'));
    const { workspace, file } = place;
    const { run, pid } = await startDetached({ workspace, file, name: 'tiny', cliScript: CLI });
    await untilGone(pid);
    const { state, message } = await place.show(run);
    assert.equal(state, 'failed');
    assert.match(message!, /tiny\.bam\.yaml:5:\d+ domains\.prose\.files: .*matches no file/);
    const resumed = await place.bam('resume', run, '--detach');
    assert.equal(resumed.code, 1);
    assert.match(resumed.stderr, /ended before its experiment was planned/);
  });

  it('whose data changed cannot be resumed, and its log says why', async () => {
    const { run } = await place.detach('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 5, run);
    assertSucceeded(await place.bam('stop', run));
    writeFileSync(join(place.root, 'prose', '0.txt'), 'something else'.repeat(50));
    const { pid } = await place.detach('resume', run);
    await untilGone(pid);
    const { state, message } = await place.show(run);
    assert.equal(state, 'failed');
    assert.match(message!, /cannot go on with this file: the stages seed, sums, mixture or their data changed/);
  });

  it('takes a chosen id once, and makes no run of a file with mistakes', async () => {
    const chosen = await place.detach('run', place.file, '--id', 'first-try', '--stages', 'seed');
    assert.equal(chosen.run, 'first-try');
    const second = await place.bam('run', place.file, '--id', 'first-try');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /There is a run first-try already/);
    writeFileSync(place.file, TINY.replace('layers: 2', 'layers: two'));
    const wrong = await place.bam('run', place.file, '--detach');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /model\.layers: expected/);
    assert.deepEqual(readdirSync(place.workspace.runsFolder), ['first-try']);
    assertSucceeded(await place.bam('stop', 'first-try'));
  });

  it('whose launcher cannot even be loaded is no run, and the error shows what it printed', async () => {
    const { workspace, file } = place;
    const start = startDetached({ workspace, file, name: 'tiny', cliScript: join(place.root, 'missing.js') });
    await assert.rejects(start, { reason: 'launch-failed', message: /Cannot find module/ });
    assert.deepEqual(readdirSync(workspace.runsFolder), []);
  });

  it('cannot be resumed while it is at work', async () => {
    const run = place.start('run', place.file, '--id', 'busy', '--stages', 'seed');
    await place.until((event) => event.type === 'step');
    const second = await place.bam('resume', 'busy', '--detach');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /in use by process \d+/);
    assertSucceeded(await outcome(run));
  });
});
