import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkpointName, listCheckpoints, loadCheckpoint, type Checkpoint } from '../../src/checkpoint/checkpoint';
import type { EventOf } from '../../src/events/event';
import { assertSucceeded, TestWorkspace, TINY_DATA } from './support';

const PRUNING = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 7680, batch: 4 } }
  copies: { upcycle: { method: drop, experts: [seed], copies: 4, ffnTopK: 2 }, train: { like: seed, mix: equal, tokens: 1280 } }
  tuned: { from: copies, train: { like: seed, mix: equal, tokens: 2560 } }
  norm: { from: tuned, prune: { method: router-norm, since: copies, keep: 2 } }
  grown: { from: norm, train: { like: seed, mix: equal, tokens: 2560, checkpointEvery: 5 } }
  merged: { from: tuned, prune: { method: similarity, keep: 3, tokens: 512 } }
  weights: { from: tuned, prune: { method: similarity, similarity: weights, keep: 2 } }
  usage: { from: tuned, prune: { method: usage, share: 0.5, tokens: 512, routing: masked }, train: { like: seed, tokens: 640 } }
  active: { from: tuned, prune: { method: activation, keep: 3, scope: global, tokens: 512 } }
  random: { from: tuned, prune: { method: random, keep: 2 } }
  all: { from: tuned, prune: { method: random, keep: 4 } }
  twice: { from: merged, prune: { method: random, keep: 2, routing: masked } }
`;

describe('pruning', function () {
  this.timeout(180_000);
  let place: TestWorkspace;
  const finished = new Map<string, EventOf<'stage.finished'>>();

  before(async () => {
    place = new TestWorkspace(undefined, PRUNING);
    assertSucceeded(await place.bam('run', place.file));
    for (const event of place.events()) if (event.type === 'stage.finished') finished.set(event.stage, event);
  });
  after(() => place.remove());

  const last = (stage: string): Checkpoint => {
    const folder = place.checkpoints(stage);
    return loadCheckpoint(join(folder, checkpointName(listCheckpoints(folder).at(-1)!)), 'model');
  };
  const removed = (stage: string): number[][] => last(stage).architecture.mixture!.pruned!.experts;
  const notes = (stage: string): string[] =>
    place.events().flatMap((event) => (event.type === 'note' && event.stage === stage ? [event.message] : []));

  it('removes as many experts as the file says, in every layer or in all together', () => {
    for (const [stage, left] of Object.entries({ norm: 2, grown: 2, merged: 3, usage: 2, random: 2, twice: 2 })) {
      for (const experts of removed(stage)) assert.equal(experts.length, 4 - left, stage);
    }
    assert.equal(removed('active').flat().length, 2);
    const names = [...last('norm').parameters.keys()].filter((name) => name.includes('layers.0.ffn.experts.'));
    assert.equal(names.length, 2 * 3);
    assert.equal(last('norm').parameters.get('layers.0.ffn.router.weight')!.length, 4 * 32);
  });

  it('keeps the experts whose router rows grew most, and says so in the log and in the checkpoint', () => {
    const [now, before] = [last('tuned').parameters, last('copies').parameters];
    const { pruning } = last('norm');
    for (const layer of [0, 1]) {
      const norms = [now, before].map((parameters) => {
        const router = parameters.get(`layers.${layer}.ffn.router.weight`)!;
        return [0, 1, 2, 3].map((expert) => Math.hypot(...router.subarray(expert * 32, (expert + 1) * 32)));
      });
      const scores = norms[0]!.map((norm, expert) => norm - norms[1]![expert]!);
      const worst = [0, 1, 2, 3].sort((a, b) => scores[a]! - scores[b]!).slice(0, 2);
      assert.deepEqual(removed('norm')[layer], worst.sort());
      assert.deepEqual(pruning!.layers[layer]!.removed, removed('norm')[layer]);
      pruning!.layers[layer]!.scores!.forEach((score, i) => assert.ok(Math.abs(score! - scores[i]!) < 1e-5));
    }
    assert.ok(notes('norm').some((note) => /pruned to 2 of 4 experts a layer, by router-norm since copies/.test(note)));
    assert.ok(notes('norm').some((note) => /layer 1 is without \d, \d \(scores 0: /.test(note)));
    assert.ok(notes('merged').some((note) => /layer 0 is without \d \(merged .*\d \+ \d/.test(note)));
  });

  it('changes nothing where all experts stay', () => {
    // One form of a step evaluates the one, another the other.
    for (const [domain, { loss }] of Object.entries(finished.get('tuned')!.evaluation.domains)) {
      assert.ok(Math.abs(finished.get('all')!.evaluation.domains[domain]!.loss - loss) < 1e-5);
    }
    assert.deepEqual([...last('all').parameters], [...last('tuned').parameters]);
  });

  it('trains what is left, and tells of the removed experts in every evaluation', () => {
    assert.deepEqual(removed('grown'), removed('norm'));
    const [first] = finished.get('grown')!.evaluation.routing.prose!;
    assert.deepEqual(first!.removed, removed('grown')[0]);
    assert.equal(first!.load.length, 4);
    const masked = finished.get('usage')!.evaluation.routing.prose![0]!;
    for (const expert of masked.removed!) assert.equal(masked.load[expert]! + masked.meanGate[expert]!, 0);
    const [before, after] = [last('norm').parameters, last('grown').parameters];
    for (const [name, values] of before) assert.notDeepEqual(after.get(name), values, name);
  });

  it('goes on from a checkpoint as if nothing had happened, with the experts and the reasons that it had', async () => {
    const again = new TestWorkspace(undefined, PRUNING);
    try {
      assertSucceeded(await again.bam('run', again.file, '--stages', 'norm', '--id', 'before'));
      const stopped = again.start('run', again.file, '--stages', 'grown', '--id', 'stopped');
      await again.until(
        (event) => event.type === 'checkpoint' && event.stage === 'grown' && event.step >= 5,
        'stopped',
      );
      stopped.kill('SIGINT');
      await new Promise((resolve) => stopped.once('exit', resolve));
      assertSucceeded(await again.bam('resume', 'stopped'));
      const end = again
        .events('stopped')
        .findLast((event) => event.type === 'stage.finished' && event.stage === 'grown');
      assert.deepEqual(
        (end as EventOf<'stage.finished'>).evaluation.domains,
        finished.get('grown')!.evaluation.domains,
      );
    } finally {
      again.remove();
    }
  });
});

describe('bam prune --dry-run', function () {
  this.timeout(180_000);
  let place: TestWorkspace;

  before(async () => {
    place = new TestWorkspace(undefined, PRUNING);
    assertSucceeded(await place.bam('run', place.file, '--stages', 'tuned,norm'));
  });
  after(() => place.remove());

  interface Report {
    state: string;
    perplexity: number;
    experts: Record<string, number>[];
  }

  it('has the scores of every expert, and the perplexity without it', async () => {
    const tried = await place.bam('prune', 'last', 'tuned', '--dry-run', '--since', 'copies', '--json');
    assertSucceeded(tried);
    const { state, perplexity, experts } = JSON.parse(tried.stdout) as Report;
    assert.equal(state, 'finished');
    assert.equal(experts.length, 2 * 4);
    assert.ok(Math.abs(perplexity / place.outcome().averages.get('tuned')! - 1) < 1e-4);
    for (const { layer, usage, perplexity: without } of experts) {
      const others = experts.filter((other) => other.layer === layer);
      assert.ok(Math.abs(others.reduce((sum, other) => sum + other.usage!, 0) - 2) < 1e-6, 'two choices a token');
      assert.ok(usage! >= 0 && without! > 0 && without !== perplexity);
    }
    const worst = experts.filter(({ layer }) => layer === 0).sort((a, b) => a.routerNorm! - b.routerNorm!);
    const norm = place.events().findLast((event) => event.type === 'evaluation' && event.stage === 'norm');
    const { removed } = (norm as EventOf<'evaluation'>).routing.prose![0]!;
    assert.deepEqual(
      removed,
      [worst[0]!.expert!, worst[1]!.expert!].sort((a, b) => a - b),
    );
  });

  it('prints a table, of the methods that were asked for', async () => {
    const tried = await place.bam(
      'prune',
      place.file,
      'tuned',
      '--dry-run',
      '--method',
      'usage',
      '--routing',
      'masked',
    );
    assertSucceeded(tried);
    assert.match(tried.stdout, /^tuned: mean held-out perplexity [\d.]+ with all experts/);
    assert.match(tried.stdout, /^layer +expert +name +usage +perplexity +costs$/m);
    assert.match(tried.stdout, /^ *1 +3 +seed 4 +\d\.\d+ +[\d.]+ +-?[\d.]+$/m);
    const pruned = await place.bam('prune', place.file, 'norm', '--dry-run', '--method', 'usage');
    assertSucceeded(pruned);
    assert.match(pruned.stdout, /^ *0 +\d +seed(?: \d)? +[\d.]+ +- +-$/m, 'the router chooses as many as are left');
  });

  it('says what is wrong with what it was asked', async () => {
    for (const [args, expected] of [
      [['tuned'], /wants `--dry-run`/],
      [['seed', '--dry-run'], /Expected a mixture, found seed/],
      [['usage', '--dry-run'], /usage is not/],
      [['tuned', '--dry-run', '--method', 'luck'], /found "luck"/],
      [['tuned', '--dry-run', '--method', 'router-norm'], /wants --since/],
      [['tuned', '--dry-run', '--since', 'seed'], /Expected a mixture, found seed/],
    ] as const) {
      const refused = await place.bam('prune', place.file, ...args);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, expected);
    }
  });
});
