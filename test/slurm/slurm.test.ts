import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { EventOf, RunEvent } from '../../src/events/event';
import { assertSucceeded, outcome, TestWorkspace, TINY_DATA } from '../run/support';
import { SlurmCluster, whyNoSlurm } from '../support/slurm-cluster';

/** A seed, two specialists that can train side by side, and their mixture. */
const EXPERIMENT = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 7680, batch: 4, evaluateEvery: 25, evaluationTokens: 512, checkpointEvery: 20 } }
  sums: { from: seed, train: { like: seed, mix: { sums: 1 }, tokens: 2560 } }
  both: { from: seed, train: { like: seed, mix: equal, tokens: 2560 } }
  mixture: { upcycle: { method: bam, experts: [seed, sums, both] }, train: { like: seed, mix: equal, tokens: 2560 } }
launch: { slurm: { cpus: 4 } }
`;
/** Its seed takes about half a minute. */
const LONG = EXPERIMENT.replace('tokens: 7680', 'tokens: 512k');

describe('a run on a Slurm cluster', function () {
  this.timeout(120_000);
  let cluster: SlurmCluster;
  let place: TestWorkspace;
  const places: TestWorkspace[] = [];
  let undisturbed: ReturnType<TestWorkspace['outcome']>;

  before(async function () {
    const why = whyNoSlurm();
    if (why) {
      console.log(`    skipped: ${why}`);
      this.skip();
    }
    cluster = new SlurmCluster();
    await cluster.start();
    Object.assign(process.env, cluster.environment);
  });
  after(async () => {
    await cluster?.stop();
    for (const one of places) one.remove();
  });

  function open(experiment = EXPERIMENT): TestWorkspace {
    place = new TestWorkspace(mkdtempSync(join(tmpdir(), 'bam-slurm-run-')), experiment);
    places.push(place);
    return place;
  }

  const isStep = (stage: string, least: number) => (event: RunEvent) =>
    event.type === 'step' && event.stage === stage && event.step >= least;
  const jobEvents = (stage: string): EventOf<'stage.job'>[] =>
    place
      .events()
      .filter((event): event is EventOf<'stage.job'> => event.type === 'stage.job' && event.stage === stage);
  const starts = (stage: string): number[] =>
    place.events().flatMap((event) => (event.type === 'stage.started' && event.stage === stage ? event.fromStep : []));

  it('gives the numbers of a run on one machine, with a job a stage, each behind those that it needs', async () => {
    open();
    assertSucceeded(await place.bam('run', place.file, '--launcher', 'local'));
    undisturbed = place.outcome();
    open();
    assertSucceeded(await place.bam('run', place.file));
    assert.deepEqual(place.outcome(), undisturbed);
    // Short jobs may begin and end between two questions to Slurm.
    const ran = ['seed', 'sums', 'both', 'mixture'].flatMap((stage) =>
      jobEvents(stage).flatMap(({ node }) => node ?? []),
    );
    assert.ok(ran.length > 0 && ran.every((node) => /^node[123]$/.test(node)), String(ran));
    assert.ok(jobEvents('mixture').some(({ reason }) => reason === 'waits for its parents'));
  });

  it('goes on when its watcher is killed, and a new one takes up the watch: nothing runs twice', async () => {
    open();
    const watcher = place.start('run', place.file);
    await place.until(isStep('seed', 20));
    watcher.kill('SIGKILL');
    await outcome(watcher);
    const before = place.events().length;
    await cluster.until(() => cluster.jobs().filter((line) => line.includes('COMPLETED')).length >= 8, 60_000);
    assert.equal(place.events().length, before, 'nobody copies');
    assertSucceeded(await place.bam('watch', place.run));
    assert.deepEqual(place.outcome(), undisturbed);
    for (const stage of ['seed', 'sums', 'both', 'mixture']) assert.deepEqual(starts(stage), [0], stage);
    assert.match((await place.bam('watch', place.run)).stderr, /is finished/);
  });

  it('whose node is lost starts again from the last checkpoint on another, whatever the lost one still does', async () => {
    open(EXPERIMENT.replace('tokens: 7680', 'tokens: 256k').replace('checkpointEvery: 20', 'checkpointEvery: 200'));
    const run = place.start('run', place.file, '--stages', 'seed');
    await place.until(isStep('seed', 300));
    const node = jobEvents('seed').at(-1)!.node!;
    cluster.kill(`slurmd-${node}`);
    try {
      assertSucceeded(await outcome(run));
    } finally {
      cluster.startNode(Number(node.slice(4)));
    }
    const finished = place.events().filter((event) => event.type === 'stage.finished');
    assert.equal(finished.length, 1);
    const steps = place.events().filter((event) => event.type === 'step');
    const loss = new Map(steps.map(({ step, loss }) => [step, loss]));
    assert.equal(loss.size, 2000);
    // The lost copy may have come to its end before the node was given up.
    if (starts('seed').length > 1) assert.ok(starts('seed').at(-1)! >= 200);
  });

  it('is failed where somebody cancels a job, without those that need it, and can be resumed', async () => {
    open(LONG);
    const run = place.start('run', place.file);
    await place.until(isStep('seed', 30));
    cluster.call('scancel', jobEvents('seed').at(-1)!.job);
    const { code, stderr } = await outcome(run);
    assert.equal(code, 1);
    assert.match(stderr, /Job \d+ of stage seed was cancelled, not by bam/);
    const leftOut = place.events().filter((event) => event.type === 'note' && /was left out/.test(event.message));
    assert.deepEqual(
      leftOut.map((event) => event.type === 'note' && event.stage),
      ['sums', 'both', 'mixture'],
    );
    const resumed = place.start('resume', place.run);
    await place.until((event) => event.type === 'stage.started' && event.fromStep >= 30);
    resumed.kill('SIGINT');
    const stopped = await outcome(resumed);
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.ok(
      cluster.jobs().every((line) => !/PENDING|RUNNING/.test(line)),
      String(cluster.jobs()),
    );
  });

  it('leaves out what needs a stage that failed, and does the rest', async () => {
    open(EXPERIMENT.replace('tokens: 2560 } }', 'tokens: 2560, peakLearningRate: 1e9, clip: 1e9, warmup: 0 } }'));
    const { code, stderr } = await place.bam('run', place.file);
    assert.equal(code, 1);
    assert.match(stderr, /the run failed/);
    const ends = new Map(
      place.events().flatMap((event): [string, string][] => {
        if (event.type === 'stage.finished' || event.type === 'stage.failed') return [[event.stage, event.type]];
        return event.type === 'note' && /left out/.test(event.message) ? [[event.stage!, 'left out']] : [];
      }),
    );
    assert.deepEqual([...ends].sort(), [
      ['both', 'stage.finished'],
      ['mixture', 'left out'],
      ['seed', 'stage.finished'],
      ['sums', 'stage.failed'],
    ]);
  });

  it('goes on when the controller is killed and started again', async function () {
    this.timeout(300_000);
    open();
    const run = place.start('run', place.file);
    await place.until(isStep('seed', 10));
    cluster.kill('slurmctld');
    await place.until((event) => event.type === 'note' && /controller does not answer/.test(event.message));
    cluster.startController();
    assertSucceeded(await outcome(run));
    assert.deepEqual(place.outcome(), undisturbed);
  });

  it('fails at once where Slurm refuses it, and says why', async () => {
    open(EXPERIMENT.replace('cpus: 4', 'partition: gpu'));
    const { code, stderr } = await place.bam('run', place.file);
    assert.equal(code, 1);
    assert.match(stderr, /Slurm has no such partition for you/);
    assert.match(stderr, /launch\.slurm\.partition/);
  });

  it('submits 550 stages as arrays in half a minute, and asks Slurm less than once a second', async () => {
    const seeds = Array.from({ length: 50 }, (_, i) => i + 1).join(', ');
    const values = Array.from({ length: 10 }, (_, i) => i / 100).join(', ');
    const sweep = `sweep: { stages.mixture.train.loadBalance: [${values}] }\n`;
    const many = EXPERIMENT.replace('seed: 3', `seeds: [${seeds}]`).replace(/ {2}(sums|both): \{ from.*\n/g, '');
    open(many.replace('[seed, sums, both]', '[seed, seed]').replace('launch:', `${sweep}launch:`));
    const calls = join(place.root, 'calls');
    const folder = mkdtempSync(join(tmpdir(), 'bam-counted-'));
    for (const command of ['sbatch', 'squeue', 'scancel', 'scontrol']) {
      const real = `/usr/bin/${command}`;
      writeFileSync(join(folder, command), `#!/bin/sh\necho ${command} >>${calls}\nexec ${real} "$@"\n`, {
        mode: 0o755,
      });
    }
    writeFileSync(calls, '');
    const path = process.env.PATH;
    process.env.PATH = `${folder}:${path}`;
    const begun = Date.now();
    const run = place.start('run', place.file);
    process.env.PATH = path;
    await cluster.until(() => cluster.call('squeue', '-h', '-r', '-o', '%i').split('\n').length > 500, 60_000);
    const submitted = (Date.now() - begun) / 1000;
    assert.ok(submitted < 30, `${submitted} s`);
    console.log(`    550 stages were submitted in ${submitted.toFixed(1)} s`);
    const asked = (): number => names().filter((name) => name === 'squeue').length;
    const names = (): string[] => readFileSync(calls, 'utf8').trim().split('\n');
    const before = asked();
    await setTimeout(10_000);
    const watching = asked() - before;
    assert.ok(watching > 0 && watching < 10, `${watching} calls of squeue in ten seconds`);
    run.kill('SIGINT');
    await outcome(run);
    assert.ok(names().filter((name) => name === 'sbatch').length <= 52, String(names()));
    assert.equal(readdirSync(join(place.workspace.runFolder(place.run), 'slurm')).length <= 53, true);
  });
});
