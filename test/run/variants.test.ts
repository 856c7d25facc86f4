import assert from 'node:assert/strict';
import { assertSucceeded, outcome, TestWorkspace, TINY } from './support';

/** Two seeds, and two learning rates for the specialist, one of which makes it diverge. */
const VARIANTS = TINY.replace('seed: 3', 'seeds: [3, 4]\nsweep: { stages.sums.train.peakLearningRate: [1e-3, 1e9] }');

describe('a run of variants', function () {
  this.timeout(120_000);
  let place: TestWorkspace;
  beforeEach(() => {
    place = new TestWorkspace(undefined, VARIANTS);
  });
  afterEach(() => place.remove());

  const states = async (run = place.run): Promise<Record<string, string>> => {
    const { stages } = await place.show(run);
    return Object.fromEntries(stages.map(({ name, state }) => [name, state]));
  };

  it('trains what is shared once, and goes on where a failed variant is not needed', async () => {
    const { code, stderr } = await place.bam('run', place.file);
    assert.equal(code, 1);
    assert.match(stderr, /seeds 3, 4/);
    assert.match(stderr, /2 stages failed\.\nsums@seed=3,peakLearningRate=1000000000: /);
    assert.deepEqual(await states(), {
      'seed@seed=3': 'finished',
      'sums@seed=3,peakLearningRate=0.001': 'finished',
      'mixture@seed=3,peakLearningRate=0.001': 'finished',
      'sums@seed=3,peakLearningRate=1000000000': 'failed',
      'mixture@seed=3,peakLearningRate=1000000000': 'waiting',
      'seed@seed=4': 'finished',
      'sums@seed=4,peakLearningRate=0.001': 'finished',
      'mixture@seed=4,peakLearningRate=0.001': 'finished',
      'sums@seed=4,peakLearningRate=1000000000': 'failed',
      'mixture@seed=4,peakLearningRate=1000000000': 'waiting',
    });
    const { notes, seed } = await place.show(place.run);
    assert.equal(notes.filter(({ message }) => message.includes('was left out: it needs stage sums@')).length, 2);
    assert.equal(seed, null);
    const { averages } = place.outcome();
    assert.notEqual(averages.get('seed@seed=3'), averages.get('seed@seed=4'));

    const alone = await place.bam('run', place.file, '--set', 'seeds=[4]', '--set', 'sweep={}');
    assertSucceeded(alone);
    assert.deepEqual(await states(), { seed: 'cached', sums: 'cached', mixture: 'cached' });
  });

  it('computes every variant with its own seed: as a file with that seed alone', async () => {
    assertSucceeded(await place.bam('run', place.file, '--stages', 'sums@seed=4,peakLearningRate=0.001'));
    const alone = new TestWorkspace(undefined, TINY.replace('seed: 3', 'seed: 4'));
    try {
      assertSucceeded(await alone.bam('run', alone.file, '--stages', 'sums'));
      const { averages } = alone.outcome();
      const found = place.outcome().averages;
      assert.equal(found.get('seed@seed=4'), averages.get('seed'));
      assert.equal(found.get('sums@seed=4,peakLearningRate=0.001'), averages.get('sums'));
    } finally {
      alone.remove();
    }
  });

  it('says which stages there are when another one is asked for', async () => {
    const { code, stderr } = await place.bam('run', place.file, '--stages', 'mix');
    assert.equal(code, 1);
    assert.match(stderr, /its stages are seed, sums, mixture\.\n.*--stages seed,seed@seed=3/);
  });

  it('can be of one stage, in all variants or in one, and goes on after a stop', async () => {
    const one = 'sums@seed=4,peakLearningRate=0.001';
    assertSucceeded(await place.bam('run', place.file, '--stages', one));
    assert.deepEqual(await states(), { 'seed@seed=4': 'finished', [one]: 'finished' });

    const run = place.start('run', place.file, '--stages', 'seed', '--id', 'second');
    await place.until((event) => event.type === 'step' && event.stage === 'seed@seed=3' && event.step === 12, 'second');
    run.kill('SIGINT');
    assert.equal((await outcome(run)).code, 130);
    assertSucceeded(await place.bam('resume', 'second'));
    assert.deepEqual(await states('second'), { 'seed@seed=3': 'finished', 'seed@seed=4': 'cached' });
  });
});
