import assert from 'node:assert/strict';
import { assertSucceeded, outcome, TestWorkspace, TINY_DATA } from './support';

const LIKE_SEED = 'train: { like: seed, tokens: 2560, accumulate: 2 }';
const ROUTED = `${TINY_DATA}stages:
  seed: { train: { tokens: 1280, batch: 4, evaluateEvery: 10, evaluationTokens: 512, checkpointEvery: 50 } }
  drawn: { upcycle: { method: btx, experts: [seed, seed], ffnRouting: sample-top-1, router: { noise: 0.1 } }, ${LIKE_SEED} }
  balanced: { upcycle: { method: bam, experts: [seed, seed], router: { balanceBias: 0.01 } }, ${LIKE_SEED} }
`;

describe('routers that draw, or keep a bias', function () {
  this.timeout(120_000);
  const places: TestWorkspace[] = [];
  const place = (): TestWorkspace => {
    places.push(new TestWorkspace(undefined, ROUTED));
    return places.at(-1)!;
  };
  after(() => places.forEach((one) => one.remove()));

  it('do in a run that was stopped twice what they do in an undisturbed one', async () => {
    const [calm, stopped] = [place(), place()];
    assertSucceeded(await calm.bam('run', calm.file));
    for (const [stage, ...more] of [['drawn'], ['balanced', '--resume']] as const) {
      const run = stopped.start('run', stopped.file, ...more);
      await stopped.until((event) => event.type === 'step' && event.stage === stage && event.step === 7);
      run.kill('SIGINT');
      assert.equal((await outcome(run)).code, 130);
    }
    assertSucceeded(await stopped.bam('run', stopped.file, '--resume'));
    assert.equal(calm.outcome().losses.size, 10 + 20 + 20);
    assert.deepEqual(stopped.outcome(), calm.outcome());
    const resumed = stopped.events().filter((event) => event.type === 'stage.started' && event.fromStep > 0);
    assert.ok(resumed.length >= 2, `${resumed.length} stages went on from the middle`);
  });
});
