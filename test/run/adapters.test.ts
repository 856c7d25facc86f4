import assert from 'node:assert/strict';
import { readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName, listCheckpoints, loadCheckpoint, MODEL_FILE } from '../../src/checkpoint/checkpoint';
import { readSafetensors } from '../../src/checkpoint/safetensors';
import type { EventOf } from '../../src/events/event';
import { assertSucceeded, TestWorkspace, TINY_DATA } from './support';

const ADAPTED = `${TINY_DATA}  asked: { files: asked.jsonl, prompt: question, answer: answer }
tasks: { asked: { file: asked.jsonl, kind: exact-match, prompt: question, maximum: 5 } }
stages:
  seed: { train: { mix: { prose: 1 }, tokens: 2560, batch: 4, evaluationTokens: 512, evaluateEvery: 100 } }
  pair: { upcycle: { method: bam, experts: [seed, seed] } }
  mov: { from: seed, adapt: { method: mov, experts: 3 }, train: { like: seed, mix: { asked: 1 }, peakLearningRate: 0.05, checkpointEvery: 5 } }
  more: { from: mov, train: { like: mov, tokens: 1280 } }
  lora: { from: seed, adapt: { method: molora, experts: 1 }, train: { like: mov, mix: { asked: 1, sums: 1 } } }
  molora: { from: pair, adapt: { method: molora, experts: 2 }, train: { like: mov } }
  still: { from: pair, adapt: { method: mov, experts: 2 } }
  both: { ensemble: { members: [mov, lora] } }
`;

describe('stages with adapters', function () {
  this.timeout(240_000);
  let place: TestWorkspace;
  const finished = new Map<string, EventOf<'stage.finished'>>();

  before(async () => {
    place = new TestWorkspace(undefined, ADAPTED);
    const asked = Array.from({ length: 80 }, (_, i) => ({
      question: `${i} and ${i % 7}:`,
      answer: String(i + (i % 7)),
    }));
    writeFileSync(join(place.root, 'asked.jsonl'), asked.map((one) => `${JSON.stringify(one)}\n`).join(''));
    assertSucceeded(await place.bam('run', place.file));
    for (const event of place.events()) if (event.type === 'stage.finished') finished.set(event.stage, event);
  });
  after(() => place.remove());

  const loss = (stage: string, domain = 'asked'): number => finished.get(stage)!.evaluation.domains[domain]!.loss;
  const folderOf = (stage: string): string =>
    join(place.workspace.stageFolder(finished.get(stage)!.key), 'checkpoints');
  const lastOf = (stage: string): string => {
    const folder = folderOf(stage);
    return join(folder, checkpointName(listCheckpoints(folder).at(-1)!));
  };

  it('start as the model that they adapt and learn the answers', () => {
    const first = (stage: string): number | undefined => {
      const event = place.events().find((one) => one.type === 'evaluation' && one.stage === stage);
      return event?.type === 'evaluation' ? event.domains.asked!.loss : undefined;
    };
    for (const stage of ['mov', 'lora']) assert.equal(first(stage), loss('seed'), stage);
    for (const stage of ['molora', 'still']) assert.equal(first(stage), loss('pair'), stage);
    for (const stage of ['mov', 'lora', 'molora']) assert.ok(loss(stage) < loss('seed'), `${stage}: ${loss(stage)}`);
    assert.ok(loss('more') < loss('mov'));
    assert.ok(loss('both') < loss('seed'));
    assert.equal(finished.get('mov')!.evaluation.tasks!.asked!.examples, 5);
  });

  it('keep the adapters alone, and say what their routers do', () => {
    for (const stage of ['mov', 'more', 'molora']) {
      const names = [...readSafetensors(join(lastOf(stage), MODEL_FILE)).tensors.keys()];
      assert.ok(names.length && names.every((name) => name.includes('.adapters.')), stage);
    }
    assert.equal(loadCheckpoint(lastOf('more'), 'model').base, lastOf('seed'), 'the base, not the stage between');
    const routing = finished.get('molora')!.evaluation.routing.asked!;
    const kinds = new Set(routing.map(({ router }) => router));
    for (const kind of ['ffn', 'attention', 'adapter query', 'adapter output', 'adapter ffn'] as const)
      assert.ok(kinds.has(kind));
    assert.equal(finished.get('lora')!.evaluation.routing.asked, undefined, 'one expert has no router');
  });

  it('are shown with what trains', async () => {
    for (const shown of [await place.bam('plan', place.file), await place.bam('show', place.run)]) {
      assertSucceeded(shown);
      assert.match(shown.stdout, /mov trains MoV of 3 alone: [\d.]+k, [\d.]+ % of all/);
    }
  });

  it('are evaluated and exported as whole models, and not where they cannot be merged', async () => {
    assertSucceeded(await place.bam('evaluate', place.file, '--stages', 'mov,both', '--tokens', '256'));
    assertSucceeded(await place.bam('export-model', place.run, 'lora', '--to', join(place.root, 'lora')));
    assert.ok(readdirSync(join(place.root, 'lora')).includes('config.json'));
    const refused = await place.bam('export-model', place.run, 'mov', '--to', join(place.root, 'mov'));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /adapters cannot be merged .* mix 3 experts[^]*experts: 1/);
  });

  it('cannot be used without the model that they adapt, and say so', async () => {
    const base = folderOf('seed');
    renameSync(base, `${base}.away`);
    try {
      const refused = await place.bam('export-model', place.run, 'lora', '--to', join(place.root, 'other'));
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /holds adapters only[^]*Run the stage again that it was adapted from/);
    } finally {
      renameSync(`${base}.away`, base);
    }
  });
});
