import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EventOf, Serving } from '../../src/events/event';
import { openExpertFolder } from '../../src/offload/open-folder';
import type { StageServing } from '../../src/report/serving-table';
import { assertSucceeded, TestWorkspace, TINY_DATA } from './support';

const SERVED = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 2560, batch: 4, evaluationTokens: 512 } }
  moe: { upcycle: { method: drop, experts: [seed], copies: 4, ffnTopK: 2 }, train: { like: seed, mix: equal, tokens: 1280 } }
  whole:
    from: moe
    serve: { budget: 0.5, low: none, prefetch: 0, policies: [on-demand, lru, lfu, hobbit], texts: 2, prompt: 8, tokens: 8 }
  mixed: { from: moe, serve: { budget: 0.5, t1: 0.5, link: 100M, texts: 1, prompt: 8, tokens: 8 } }
`;

describe('serving with experts on the disk', function () {
  this.timeout(180_000);
  let place: TestWorkspace;
  const finished = new Map<string, EventOf<'stage.finished'>>();

  before(async () => {
    place = new TestWorkspace(undefined, SERVED);
    assertSucceeded(await place.bam('run', place.file));
    for (const event of place.events()) if (event.type === 'stage.finished') finished.set(event.stage, event);
  });
  after(() => place.remove());

  const serving = (stage: string): Serving => finished.get(stage)!.evaluation.serving!;

  it('changes no prediction where every expert is in float32, whatever the policy is', () => {
    const { resident, policies, budget, expertBytes, link } = serving('whole');
    // 8 experts of three matrices of 48 x 32.
    assert.deepEqual([expertBytes, budget, link], [8 * 3 * 48 * 32 * 4, 4 * 3 * 48 * 32 * 4, undefined]);
    assert.deepEqual(
      policies.map(({ policy }) => policy),
      ['on-demand', 'lru', 'lfu', 'hobbit'],
    );
    for (const { perplexity, skipped, foreseen } of policies) {
      assert.deepEqual([perplexity, skipped, foreseen], [resident.perplexity, 0, 0]);
    }
    const [onDemand, ...others] = policies;
    assert.equal(onDemand!.hits, 0);
    assert.ok(others.every(({ hits, penalty }) => hits > 0 && penalty < onDemand!.penalty));
    assert.equal(onDemand!.bytes, (onDemand!.penalty * expertBytes) / 8);
  });

  it('evaluates the mixture that it serves, and makes no checkpoint', () => {
    const [own, moe] = ['whole', 'moe'].map((stage) => finished.get(stage)!);
    assert.ok(Math.abs(own!.evaluation.averagePerplexity - moe!.evaluation.averagePerplexity) < 1e-3);
    const folder = place.workspace.stageFolder(own!.key);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name !== 'lock'),
      ['result.json'],
    );
    assert.ok(existsSync(place.checkpoints('moe')));
  });

  it('stays close with two precisions, and loads less', () => {
    const { resident, policies, link } = serving('mixed');
    assert.equal(link, 1e8);
    assert.deepEqual(
      policies.map(({ policy }) => policy),
      ['hobbit', 'lru', 'on-demand'],
    );
    for (const { perplexity } of policies) assert.ok(Math.abs(perplexity / resident.perplexity - 1) < 0.05);
  });

  it('stands in what is shown, in the report and in the exported document', async () => {
    const shown = await place.bam('show', 'last');
    assertSucceeded(shown);
    assert.match(shown.stdout, /whole: 73\.7kB of 147kB of FFN experts in memory, loads take what reading takes\./);
    assert.match(shown.stdout, /mixed: .* emulated link of 100MB\/s\./);
    assert.match(shown.stdout, /on-demand .* 0\.0 .*\+0\.00/);
    const { servings } = (await place.show('last')) as unknown as { servings: StageServing[] };
    assert.deepEqual(servings[0], { stage: 'whole', ...serving('whole') });
    const report = readFileSync(place.workspace.reportFile(place.run), 'utf8');
    assert.match(report, /Served with experts on the disk/);
    const exported = await place.bam('export', 'last', '--what', 'markdown');
    assert.match(exported.stdout, /\| hobbit +\|/);
  });

  it('is taken from the cache the next time', async () => {
    assertSucceeded(await place.bam('run', place.file));
    const cached = place.events().flatMap((event) => (event.type === 'stage.cached' ? [event.stage] : []));
    assert.deepEqual(cached.sort(), ['mixed', 'moe', 'seed', 'whole']);
  });

  it('goes with any checkpoint: bam quantize', async () => {
    const quantized = await place.bam('quantize', 'last', 'moe', '--out', 'experts', '--precisions', 'int8');
    assertSucceeded(quantized);
    const folder = await openExpertFolder(join(place.root, 'experts'));
    assert.equal(folder.architecture.mixture!.experts, 4);
    await folder.close();
    for (const [stage, says] of [
      ['whole', /whole serves another one, .*\n.*moe/],
      ['seed', /seed should be a mixture of FFN experts, but is a dense model/],
    ] as const) {
      const refused = await place.bam('quantize', 'last', stage, '--out', 'other');
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, says);
    }
  });
});
