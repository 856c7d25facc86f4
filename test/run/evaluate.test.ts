import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { assertSucceeded, outcome, TestWorkspace } from './support';

const SMALL = [
  '--set',
  'stages.seed.train.tokens=640',
  'stages.sums.train.tokens=640',
  'stages.mixture.train.tokens=640',
];

interface Evaluated {
  state: string;
  evaluations: { stage: string; evaluation: Evaluation }[];
}

interface Evaluation {
  averagePerplexity: number;
  domains: Record<string, { loss: number; tokens: number }>;
  routing: Record<string, unknown[]>;
}

describe('bam evaluate', function () {
  this.timeout(120_000);
  let place: TestWorkspace;

  beforeEach(async () => {
    place = new TestWorkspace();
    assertSucceeded(await place.bam('run', place.file, ...SMALL));
  });
  afterEach(() => place.remove());

  it('repeats what the stages came to, reads more held-out text when told to, and `bam show` shows it', async () => {
    const same = await place.bam('evaluate', place.run, '--json');
    assertSucceeded(same);
    const { state, evaluations } = JSON.parse(same.stdout) as Evaluated;
    assert.equal(state, 'finished');
    const { averages } = place.outcome();
    for (const { stage, evaluation } of evaluations) {
      const trained = averages.get(stage)!;
      const off = Math.abs(evaluation.averagePerplexity - trained) / trained;
      assert.ok(off < 1e-4, `${stage}: ${evaluation.averagePerplexity}, after training ${trained}`);
    }
    assert.deepEqual(
      evaluations.map(({ stage }) => stage),
      ['seed', 'sums', 'mixture'],
    );
    assert.equal(evaluations[2]!.evaluation.routing.sums!.length, 4, 'two routers in each of two layers');

    const more = await place.bam('evaluate', 'last', '--stages', 'seed', '--tokens', '2k');
    assertSucceeded(more);
    assert.match(more.stdout, /on 1088 held-out tokens of a domain at most/);
    const shown = (await place.show(place.run)) as unknown as Evaluated;
    assert.deepEqual(
      shown.evaluations.map(({ stage, evaluation }) => [stage, evaluation.domains.prose!.tokens]),
      [
        ['seed', 1088],
        ['sums', 512],
        ['mixture', 512],
      ],
    );
    assert.equal(place.events().at(-1)!.type, 'run.ended', 'the log of the run stays as it was');
  });

  it('refuses stages that are not finished, or not there, and says why', async () => {
    const { key } = JSON.parse((await place.bam('plan', place.file, ...SMALL, '--json')).stdout).stages.seed as {
      key: string;
    };
    const unknown = await place.bam('evaluate', place.run, '--stages', 'law');
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /There is no stage "law"/);
    const other = await place.bam('evaluate', place.file);
    assert.equal(other.code, 1, 'the file without --set has another budget');
    assert.match(other.stderr, /Expected stages that are finished .* None is\./);
    assert.match((await place.bam('evaluate', place.run, '--tokens', 'some')).stderr, /positive count, found "some"/);
    rmSync(join(place.workspace.stageFolder(key), 'checkpoints'), { recursive: true });
    assert.match((await place.bam('evaluate', place.run, '--stages', 'seed')).stderr, /These stages are not: seed\./);
  });

  it('can be stopped; what was evaluated before stays', async () => {
    const child = place.start('evaluate', place.run, '--tokens', '1M');
    const ended = outcome(child);
    const key = place.events().find((event) => event.type === 'stage.finished')!.key;
    const file = join(place.workspace.stageFolder(key), 'evaluation.json');
    for (const end = Date.now() + 60_000; !existsSync(file) && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.ok(existsSync(file));
    assert.equal(place.tickets().length, 0);
  });
});
