import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName, listCheckpoints, loadCheckpoint, type Checkpoint } from '../../src/checkpoint/checkpoint';
import type { EventOf } from '../../src/events/event';
import { readLaterEvaluation } from '../../src/plan/result';
import { assertSucceeded, outcome, TestWorkspace, TINY_DATA } from './support';

const EQUAL = 'like: seed, mix: equal, tokens: 2560, checkpointEvery: 5';
const OTHERS = 'zeroComputation: { zero: 1, copy: 1, constant: 2, capacity: 1.1 }, gatingResidual: true';
const LIGHTER = `${TINY_DATA}tasks:
  sums: { file: questions.jsonl, kind: exact-match, maximum: 5 }
stages:
  seed: { train: { mix: { prose: 1 }, tokens: 2560, batch: 4, evaluationTokens: 512, evaluateEvery: 20 } }
  plus: { upcycle: { method: drop, experts: [seed], copies: 3, ffnTopK: 2, ${OTHERS} }, train: { ${EQUAL}, accumulate: 2 } }
  hashed: { from: seed, split: { experts: 3, width: 24, shared: 12, tokens: 512 }, train: { ${EQUAL}, distill: { teacher: plus, weight: 0.5 } } }
  fewer: { from: plus, prune: { method: usage, keep: 2, tokens: 512 } }
  merged: { from: plus, prune: { method: similarity, keep: 2, tokens: 512 }, train: { ${EQUAL} } }
  whole: { from: plus, prune: { method: random, keep: 3 } }
  more: { from: plus, train: { ${EQUAL} } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 3 } }
  pruned: { from: moe, prune: { method: random, keep: 2 } }
  learnt: { from: seed, split: { experts: 2, width: 30, shared: 12, importance: random, routing: learnt } }
  narrow: { from: seed, split: { experts: 1, width: 24, shared: 24, importance: random } }
  mov: { from: plus, adapt: { method: mov, experts: 2 }, train: { ${EQUAL} } }
`;

describe('runs with lighter mixtures', function () {
  this.timeout(240_000);
  const places: TestWorkspace[] = [];
  let calm: TestWorkspace;
  const finished = new Map<string, EventOf<'stage.finished'>>();

  const newPlace = (): TestWorkspace => {
    const place = new TestWorkspace(undefined, LIGHTER);
    const questions = Array.from({ length: 5 }, (_, i) => ({ prompt: `${i}+${i}=`, answer: String(2 * i) }));
    writeFileSync(join(place.root, 'questions.jsonl'), questions.map((one) => `${JSON.stringify(one)}\n`).join(''));
    places.push(place);
    return place;
  };
  const last = (stage: string): Checkpoint => {
    const folder = join(calm.workspace.stageFolder(finished.get(stage)!.key), 'checkpoints');
    return loadCheckpoint(join(folder, checkpointName(listCheckpoints(folder).at(-1)!)), 'model');
  };

  before(async () => {
    calm = newPlace();
    assertSucceeded(await calm.bam('run', calm.file));
    for (const event of calm.events()) if (event.type === 'stage.finished') finished.set(event.stage, event);
  });
  after(() => places.forEach((place) => place.remove()));

  it('train zero-computation experts and gating residuals, and go on from them', () => {
    const names = [...last('plus').parameters.keys()];
    for (const name of ['layers.0.ffn.constants.1.vector', 'layers.1.ffn.router.residual.weight']) {
      assert.ok(names.includes(name), name);
      assert.notDeepEqual(last('more').parameters.get(name), last('plus').parameters.get(name));
    }
    const residual = last('plus').parameters.get('layers.1.ffn.router.residual.weight')!;
    assert.ok(residual.length === 7 * 7 && residual.some((value) => value !== 0), 'it starts at zero');
    const first = calm.events().find((event) => event.type === 'evaluation' && event.stage === 'more');
    const [from, to] = [finished.get('plus')!, first as EventOf<'evaluation'>];
    for (const [domain, { loss }] of Object.entries(from.evaluation.domains)) {
      assert.ok(Math.abs(to.domains[domain]!.loss - loss) < 1e-3, 'it starts where the other ended');
    }
    const [router] = finished.get('more')!.evaluation.routing.prose!;
    assert.equal(router!.load.length, 3 + 4);
    const ffns = router!.load.slice(0, 3).reduce((sum, share) => sum + share, 0) * 2;
    assert.ok(Math.abs(router!.ffnPerToken! - ffns) < 1e-6);
  });

  it('lose FFN experts by pruning, and keep the others with their columns', async () => {
    for (const stage of ['fewer', 'merged']) {
      const { architecture, parameters } = last(stage);
      architecture.mixture!.pruned!.experts.forEach((gone, layer) => {
        assert.equal(gone.length, 1);
        const experts = [...parameters.keys()].filter((name) => name.startsWith(`layers.${layer}.ffn.experts.`));
        assert.equal(experts.length, 2 * 3);
        assert.equal(parameters.get(`layers.${layer}.ffn.router.weight`)!.length, 7 * 32);
        assert.ok(parameters.has(`layers.${layer}.ffn.constants.1.vector`));
      });
      const [router] = finished.get(stage)!.evaluation.routing.prose!;
      assert.deepEqual([router!.load.length, router!.removed!.length], [7, 1]);
    }
    assert.deepEqual([...last('whole').parameters], [...last('plus').parameters]);
    // Both in one form, which their own evaluations may not be.
    assertSucceeded(await calm.bam('evaluate', calm.file, '--stages', 'plus,whole', '--tokens', '256'));
    const [plus, whole] = ['plus', 'whole'].map((stage) => {
      return readLaterEvaluation(calm.workspace.stagesFolder, finished.get(stage)!.key)!.evaluation.domains;
    });
    assert.deepEqual(whole, plus);
    const tried = await calm.bam('prune', 'last', 'plus', '--dry-run', '--method', 'usage,activation', '--json');
    assertSucceeded(tried);
    const { experts } = JSON.parse(tried.stdout) as { experts: { usage: number; perplexity: number | null }[] };
    assert.equal(experts.length, 2 * 3);
    assert.ok(experts.every(({ usage, perplexity }) => usage >= 0 && perplexity! > 0));
  });

  it('learn from a teacher, and answer tasks', () => {
    for (const stage of ['hashed', 'plus']) {
      const { tasks } = finished.get(stage)!.evaluation;
      assert.deepEqual([tasks!.sums!.examples, tasks!.sums!.kind], [5, 'exact-match'], stage);
    }
    const losses = calm.events().flatMap((event) => {
      return event.type === 'step' && event.stage === 'hashed' ? [event.loss - event.languageModel] : [];
    });
    assert.equal(losses.length, 20);
    assert.ok(
      losses.every((loss) => loss > 0),
      'the distillation loss is part of the loss',
    );
    assert.ok(losses.at(-1)! < losses[0]!, `${losses[0]} to ${losses.at(-1)}`);
  });

  it('do after a stop in the middle what they do without', async () => {
    const stopped = newPlace();
    for (const [stage, ...more] of [['plus'], ['hashed', '--resume']] as const) {
      const run = stopped.start('run', stopped.file, '--stages', 'hashed', ...more);
      await stopped.until((event) => event.type === 'step' && event.stage === stage && event.step === 7);
      run.kill('SIGINT');
      assert.equal((await outcome(run)).code, 130);
    }
    assertSucceeded(await stopped.bam('run', stopped.file, '--stages', 'hashed', '--resume'));
    const [found, wanted] = [stopped.outcome(), calm.outcome()];
    assert.deepEqual([...found.averages.keys()], ['seed', 'plus', 'hashed']);
    assert.equal(found.losses.size, 3 * 20);
    for (const [place, loss] of found.losses) assert.equal(loss, wanted.losses.get(place), place);
    for (const [stage, average] of found.averages) assert.equal(average, wanted.averages.get(stage), stage);
    const resumed = stopped.events().filter((event) => event.type === 'stage.started' && event.fromStep > 0);
    assert.ok(resumed.length >= 2, `${resumed.length} stages went on from the middle`);
    const answers = ['plus', 'hashed'].map((stage) => finished.get(stage)!.evaluation.tasks);
    const again = ['plus', 'hashed'].map((stage) => {
      const end = stopped.events().findLast((event) => event.type === 'stage.finished' && event.stage === stage);
      return (end as EventOf<'stage.finished'>).evaluation.tasks;
    });
    assert.deepEqual(again, answers);
  });

  it('are shown with the names of their experts', async () => {
    const shown = await calm.bam('show', calm.run);
    assertSucceeded(shown);
    assert.match(
      shown.stdout,
      /Routers of more:.*\n *router +domain +seed +seed 2 +seed 3 +constant 1 +constant 2 +copy/,
    );
    assert.match(shown.stdout, /Routers of hashed:.*\n *router +domain +0 +1 +2$/m);
    assert.match(shown.stdout, /Adapter router, key +prose/);
    const { experts } = JSON.parse((await calm.bam('show', calm.run, '--json')).stdout) as {
      experts: Record<string, string[]>;
    };
    assert.deepEqual([experts.mov?.length, experts.hashed], [7, []]);
  });

  it('are exported where a format can say them, else it is told what cannot be said', async () => {
    const refused: Record<string, RegExp> = {
      plus: /no format says zero-computation experts \(mixture\.zeroComputation\), gating residuals/,
      pruned: /no format says pruned experts \(mixture\.pruned\)[^]*Export a stage without that option/,
      hashed: /no format says FFN routing other than top-k \(mixture\.ffnRouting\), hash routing/,
      mov: /adapters cannot be merged into its weights: they mix 2 experts/,
    };
    for (const [stage, message] of Object.entries(refused)) {
      const { code, stderr } = await calm.bam('export-model', 'last', stage, '--to', `out/${stage}`);
      assert.equal(code, 1, stage);
      assert.match(stderr, message);
    }
    for (const [stage, format] of Object.entries({ learnt: 'bam', narrow: 'cohere' })) {
      const made = await calm.bam('export-model', 'last', stage, '--to', `out/${stage}`, '--json');
      assertSucceeded(made);
      const { format: found, folder } = JSON.parse(made.stdout) as { format: string; folder: string };
      assert.equal(found, format, stage);
      const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
      assert.equal(config['ffn_hidden'] ?? config['intermediate_size'], stage === 'narrow' ? 24 : 30);
    }
  });
});
