import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName } from '../../src/checkpoint/checkpoint';
import { assertSucceeded, outcome, TestWorkspace, untilGone } from './support';

/** Every disturbed run below has to end with the numbers of this one. */
let undisturbed: ReturnType<TestWorkspace['outcome']>;

describe('a run that is disturbed ends with the numbers of an undisturbed one', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  before(async () => {
    const calm = new TestWorkspace();
    assertSucceeded(await calm.bam('run', calm.file));
    undisturbed = calm.outcome();
    calm.remove();
    assert.equal(undisturbed.losses.size, 60 + 20 + 20);
  });
  beforeEach(() => {
    place = new TestWorkspace();
  });
  afterEach(() => place.remove());

  async function resumeAndCompare(): Promise<string> {
    const resumed = await place.bam('run', place.file, '--resume');
    assertSucceeded(resumed);
    assert.deepEqual(place.outcome(), undisturbed);
    assert.equal(readdirSync(place.workspace.runsFolder).length, 1, 'resuming makes no new run');
    return resumed.stderr;
  }

  it('killed in the middle of a step', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 33);
    process.kill(place.trainerPid(), 'SIGKILL');
    const ended = await outcome(run);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /was killed by SIGKILL/);
    await resumeAndCompare();
    const restarted = place.events().findLast((event) => event.type === 'stage.started' && event.stage === 'seed');
    assert.equal(restarted?.type === 'stage.started' && restarted.fromStep > 0, true, 'goes on from a checkpoint');
  });

  it('killed in the middle of writing a checkpoint', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 21);
    const folder = place.checkpoints('seed');
    // A checkpoint is written into a folder that ends in .tmp: the kill comes the moment one is seen.
    while (!readdirSync(folder).some((name) => name.endsWith('.tmp')));
    process.kill(place.trainerPid(), 'SIGKILL');
    await outcome(run);
    assert.ok(
      readdirSync(folder).some((name) => name.endsWith('.tmp')),
      'the kill came while it was written',
    );
    await resumeAndCompare();
    assert.ok(!readdirSync(folder).some((name) => name.endsWith('.tmp')), 'what was half written is gone');
  });

  it('whose launcher was killed: the trainer saves a checkpoint and ends', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 27);
    const trainer = place.trainerPid();
    run.kill('SIGKILL');
    await untilGone(trainer);
    assert.equal(place.events().at(-1)?.type, 'stage.stopped');
    await resumeAndCompare();
  });

  it('stopped by Ctrl-C', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 12);
    run.kill('SIGINT');
    const ended = await outcome(run);
    assert.equal(ended.code, 130);
    assert.match(ended.stderr, new RegExp(`Go on with: bam resume ${place.run}`));
    await resumeAndCompare();
  });

  it('whose log was cut in the middle of a line', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 25);
    process.kill(place.trainerPid(), 'SIGKILL');
    await outcome(run);
    const log = place.workspace.eventsFile(place.run);
    truncateSync(log, statSync(log).size - 40);
    assert.match(await resumeAndCompare(), /cut short by a crash/);
  });

  it('whose last checkpoint was cut short: the one before is used, and that is said', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'checkpoint' && event.step === 40);
    process.kill(place.trainerPid(), 'SIGKILL');
    await outcome(run);
    const model = join(place.checkpoints('seed'), checkpointName(40), 'model.safetensors');
    truncateSync(model, statSync(model).size - 100);
    assert.match(await resumeAndCompare(), /checkpoint .*000040 is damaged: model.safetensors should have \d+ bytes/);
    assert.ok(existsSync(join(place.checkpoints('seed'), `${checkpointName(40)}.damaged`)), 'it was kept for a look');
  });

  it('and started anew without --resume: a begun stage goes on, its curve is whole', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 45);
    run.kill('SIGINT');
    await outcome(run);
    const first = place.run;
    assertSucceeded(await place.bam('run', place.file));
    assert.equal(readdirSync(place.workspace.runsFolder).length, 2);
    const second = readdirSync(place.workspace.runsFolder).find((name) => name !== first)!;
    const steps = place
      .events(second)
      .flatMap((event) => (event.type === 'step' && event.stage === 'seed' ? event : []));
    assert.deepEqual(
      steps.map(({ step }) => step),
      Array.from({ length: 60 }, (_, i) => i + 1),
    );
    for (const { step, loss } of steps) assert.equal(loss, undisturbed.losses.get(`seed ${step}`));
  });

  it('refuses to resume with a changed file, naming the stages', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 5);
    run.kill('SIGINT');
    await outcome(run);
    const { code, stderr } = await place.bam('run', place.file, '--resume', '--set', 'stages.sums.train.tokens=5k');
    assert.equal(code, 1);
    assert.match(stderr, /the stages sums, mixture or their data changed/);
  });

  it('lets no second process into a run', async () => {
    const run = place.start('run', place.file);
    await place.until((event) => event.type === 'step' && event.step === 2);
    const second = await place.bam('run', place.file, '--resume');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /in use by process/);
    assertSucceeded(await outcome(run));
    assert.deepEqual(place.outcome(), undisturbed);
  });

  it('survives a deleted and a corrupted index', async () => {
    assertSucceeded(await place.bam('run', place.file, '--stages', 'seed'));
    writeFileSync(place.workspace.indexFile, 'not a database');
    const listed = await place.bam('runs', '--json');
    assertSucceeded(listed);
    assert.match(listed.stdout, new RegExp(place.run));
    assert.ok(readFileSync(place.workspace.indexFile).length > 1000, 'made again');
  });
});
