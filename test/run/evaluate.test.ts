import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertSucceeded, outcome, TestWorkspace, TINY } from './support';

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

describe('tasks of an experiment', function () {
  this.timeout(120_000);
  let place: TestWorkspace;
  afterEach(() => place.remove());

  const TASKS = `tasks:
  sums: { file: exam.jsonl, kind: exact-match, maximum: 20 }
  signs: { file: signs.jsonl, kind: multiple-choice, choices: choices }
`;

  interface Shown {
    stages: { name: string; result: { tasks: Record<string, { accuracy: number; examples: number }> } }[];
    notes: { message: string }[];
  }

  it('are put to every stage at its end, and by `bam evaluate` to stages that were trained before', async () => {
    const short = ['--set', 'stages.mixture.train.tokens=640'];
    place = new TestWorkspace(undefined, TINY + TASKS);
    const sums = Array.from({ length: 30 }, (_, i) => JSON.stringify({ prompt: `${i}+1=`, answer: i + 1 }));
    writeFileSync(join(place.root, 'exam.jsonl'), sums.join('\n'));
    const signs = ['12', '7', '45'].map((prompt) => JSON.stringify({ prompt, choices: ['+1', '~~'], answer: 0 }));
    writeFileSync(join(place.root, 'signs.jsonl'), signs.join('\n'));
    const first = await place.bam('run', place.file, ...short);
    assertSucceeded(first);
    assert.match(first.stdout, /Right answers in per cent/);
    assert.match(first.stdout, /^stage +sums +signs +signs \(by length\)$/m);
    const trained = (await place.show(place.run)) as unknown as Shown;
    assert.deepEqual(
      trained.stages.map(({ result }) => result.tasks.sums!.examples),
      [20, 20, 20],
    );
    assert.equal(trained.stages[1]!.result.tasks.signs!.accuracy, 1, 'the specialist of sums has seen no tilde');
    assert.match(readFileSync(place.workspace.reportFile(place.run), 'utf8'), /signs \(by length\)/);

    // Another exam of the same name: the stages stay in the cache, and their old answers are not taken for new ones.
    writeFileSync(join(place.root, 'exam.jsonl'), sums.slice(10).join('\n'));
    const later = await place.bam('run', place.file, ...short, '--id', 'later');
    assertSucceeded(later);
    assert.match(later.stderr, /taken from run/);
    const cached = (await place.show('later')) as unknown as Shown;
    assert.deepEqual(Object.keys(cached.stages[0]!.result.tasks), ['signs']);
    assert.match(cached.notes[0]!.message, /trained before sums was among the tasks.*bam evaluate later --tasks/);
    const asked = await place.bam('evaluate', 'later', '--tasks', '--json');
    assertSucceeded(asked);
    const { evaluations } = JSON.parse(asked.stdout) as { evaluations: { evaluation: Shown['stages'][0]['result'] }[] };
    assert.deepEqual(
      evaluations.map(({ evaluation }) => evaluation.tasks.sums!.examples),
      [20, 20, 20],
    );
    assertSucceeded(await place.bam('run', place.file, ...short, '--id', 'last-of-all'));
    const whole = (await place.show('last-of-all')) as unknown as Shown;
    assert.deepEqual(Object.keys(whole.stages[2]!.result.tasks), ['sums', 'signs']);
  });

  it('stop with the run, and are asked when it goes on', async () => {
    place = new TestWorkspace(undefined, TINY + TASKS.split('\n').slice(0, 2).join('\n'));
    const sums = Array.from({ length: 200 }, (_, i) => JSON.stringify({ prompt: `${i}+1=`, answer: i + 1 }));
    writeFileSync(join(place.root, 'exam.jsonl'), sums.join('\n'));
    const child = place.start(
      'run',
      place.file,
      '--stages',
      'seed',
      '--set',
      'tasks.sums.maximum=200',
      'stages.seed.train.tokens=640',
    );
    const ended = outcome(child);
    await place.until((event) => event.type === 'stage.preparing' && event.what === 'task sums');
    child.kill('SIGINT');
    assert.equal((await ended).code, 130);
    assert.equal(place.events().at(-2)!.type, 'stage.stopped');
    assertSucceeded(await place.bam('resume', place.run));
    const finished = place.events().find((event) => event.type === 'stage.finished')!;
    assert.equal(finished.evaluation.tasks!.sums!.examples, 200);
  });
});

describe('an ensemble', function () {
  this.timeout(120_000);
  let place: TestWorkspace;
  afterEach(() => place.remove());

  it('has a result without a checkpoint, close to its best member in every domain, from the cache too, and evaluated again', async () => {
    const stages = `  posterior: { ensemble: { members: [seed, sums] } }
  uniform: { ensemble: { members: [seed, sums], weights: uniform } }
tasks: { exam: { file: exam.jsonl, kind: exact-match } }
`;
    place = new TestWorkspace(undefined, TINY + stages);
    writeFileSync(join(place.root, 'exam.jsonl'), JSON.stringify({ prompt: '1+1=', answer: 2 }));
    const chosen = ['--stages', 'posterior,uniform', '--set', 'stages.sums.train.tokens=10k'];
    assertSucceeded(await place.bam('run', place.file, ...chosen));
    const { averages } = place.outcome();
    assert.deepEqual([...averages.keys()], ['seed', 'sums', 'posterior', 'uniform']);
    assert.ok(averages.get('posterior')! < averages.get('uniform')!, JSON.stringify([...averages]));
    const finals = place.events().filter((event) => event.type === 'stage.finished');
    for (const domain of ['prose', 'sums']) {
      const [seed, sums, posterior] = finals.map(({ evaluation }) => evaluation.domains[domain]!.loss);
      // A sequence has the mean of its members' likelihoods: at most log 2 more loss than the best of two has, and nearly that in float32.
      assert.ok(
        posterior! <= Math.min(seed!, sums!) + Math.LN2 / 32 + 1e-5,
        `${domain}: ${posterior} of ${seed} and ${sums}`,
      );
    }
    const finished = place.events().find((event) => event.type === 'stage.finished' && event.stage === 'posterior');
    assert.ok(finished?.type === 'stage.finished' && finished.evaluation.tasks!.exam!.examples === 1);
    assert.equal(existsSync(join(place.workspace.stageFolder(finished.key), 'checkpoints')), false);

    const again = await place.bam('run', place.file, ...chosen);
    assertSucceeded(again);
    assert.match(again.stderr, /posterior: taken from run/);
    const evaluated = await place.bam('evaluate', 'last', '--stages', 'posterior', '--json');
    assertSucceeded(evaluated);
    const [{ evaluation }] = (JSON.parse(evaluated.stdout) as Evaluated).evaluations as [Evaluated['evaluations'][0]];
    const off = Math.abs(evaluation.averagePerplexity / averages.get('posterior')! - 1);
    assert.ok(off < 1e-6, `${evaluation.averagePerplexity}`);
    const exported = await place.bam('export-model', 'last', 'posterior', '--to', 'out');
    assert.equal(exported.code, 1);
    assert.match(exported.stderr, /posterior is an ensemble, .*\n.*its members: seed, sums\./);
  });

  it('is one of every seed, of the members with that seed, and is evaluated again in all of them', async () => {
    const stages = '  both: { ensemble: { members: [seed, sums] } }\n';
    const tasks = 'tasks: { exam: { file: exam.jsonl, kind: exact-match } }\n';
    place = new TestWorkspace(undefined, TINY.replace('seed: 3', 'seeds: [3, 4]') + stages + tasks);
    writeFileSync(join(place.root, 'exam.jsonl'), JSON.stringify({ prompt: '1+1=', answer: 2 }));
    const short = SMALL.slice(0, 3);
    assertSucceeded(await place.bam('run', place.file, '--stages', 'both', ...short));
    const { averages } = place.outcome();
    const all = ['seed', 'sums', 'both'].flatMap((name) => [`${name}@seed=3`, `${name}@seed=4`]);
    assert.deepEqual([...averages.keys()].sort(), all.sort());
    assert.notEqual(averages.get('both@seed=3'), averages.get('both@seed=4'));
    const evaluated = await place.bam('evaluate', 'last', '--stages', 'both', '--tasks', '--json', ...short);
    assertSucceeded(evaluated);
    for (const { stage, evaluation } of (JSON.parse(evaluated.stdout) as Evaluated).evaluations) {
      const off = Math.abs(evaluation.averagePerplexity / averages.get(stage)! - 1);
      assert.ok(off < 1e-6, `${stage}: ${evaluation.averagePerplexity}`);
    }
    assert.match(evaluated.stdout, /"stage": "both@seed=3"[^]*"stage": "both@seed=4"/);
  });
});
