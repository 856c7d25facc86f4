import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { OpenDomain } from '../../src/data/prepare';
import { TokenFile } from '../../src/data/token-file';
import { startBackend } from '../../src/engine/backend';
import { evaluate } from '../../src/train/evaluate';
import type { EvaluatedModel } from '../../src/train/evaluated-model';
import type { RouterChoices, RoutingStatistics } from '../../src/train/routing-statistics';
import type { Batch } from '../../src/data/sequences';

/** A model that is wrong by a tenth of each target's id, in nats, and sends every token to expert 1 of 2 if it is a mixture. */
class FakeStep implements Pick<EvaluatedModel, 'evaluate'> {
  readonly seen: Batch[] = [];

  constructor(private readonly mixture: boolean) {}

  evaluate(batch: Batch, routers: RoutingStatistics): number {
    this.seen.push(batch);
    const tokens = batch.targets.length;
    if (this.mixture) {
      tf.tidy(() => {
        const probabilities = tf.tensor2d(Array.from({ length: tokens }, () => [0.25, 0.75]));
        const assigned = tf.tensor1d([0, tokens]);
        routers.add([{ layer: 0, router: 'ffn', logits: probabilities, probabilities, assigned }]);
      });
    }
    return batch.targets.reduce((sum, id) => sum + id / 10, 0);
  }
}

describe('evaluate', () => {
  let folder: string;
  const domains = new Map<string, OpenDomain>();

  /** A domain whose held-out part is these tokens. */
  function addDomain(name: string, tokens: number[], tokensPerByte: number): void {
    const path = join(folder, name);
    writeFileSync(path, new Uint8Array(Uint16Array.from(tokens).buffer));
    const file = TokenFile.open(path, 2, tokens.length);
    domains.set(name, { name, fingerprint: '', train: file, heldOut: file, tokensPerByte });
  }

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bam-evaluate-'));
    await startBackend('wasm');
    addDomain('law', [0, 10, 20, 30, 40, 50, 60, 70], 0.25); // targets 10 to 60: mean 3.5 nats
    addDomain('math', [9, 5, 5, 5, 5], 1); // targets 5, 5, 5: 0.5 nats
  });
  after(() => {
    for (const { heldOut } of domains.values()) heldOut.close();
    rmSync(folder, { recursive: true });
  });

  const progress = { step: 3, tokens: 300, flops: 1e6 };
  const run = (step: FakeStep, tokens = 1000) =>
    evaluate(step, domains, progress, { plan: { every: 1, tokens }, context: 3, batch: 1 });

  it('gives loss, perplexity, bits per byte and tokens of each domain, and the mean perplexity', async () => {
    const { domains: results, averagePerplexity, routing, ...rest } = await run(new FakeStep(false));
    const close = (found: number, expected: number): void => assert.ok(Math.abs(found - expected) < 1e-9 * expected);
    close(results.law!.loss, 3.5);
    close(results.law!.perplexity, Math.exp(3.5));
    close(results.law!.bitsPerByte, (3.5 / Math.LN2) * 0.25);
    close(results.math!.loss, 0.5);
    close(results.math!.perplexity, Math.exp(0.5));
    close(results.math!.bitsPerByte, 0.5 / Math.LN2);
    assert.deepEqual([results.law!.tokens, results.math!.tokens], [6, 3]);
    close(averagePerplexity, (Math.exp(3.5) + Math.exp(0.5)) / 2);
    assert.deepEqual(rest, progress);
    assert.deepEqual(routing, {});
  });

  it('reads at most the planned tokens of a domain', async () => {
    const step = new FakeStep(false);
    const { domains: results } = await run(step, 5);
    assert.deepEqual(results.law!.tokens, 3);
    assert.deepEqual([...step.seen[0]!.inputs, ...step.seen[0]!.targets], [0, 10, 20, 10, 20, 30]);
  });

  it('reports the routing of each domain over all its batches', async () => {
    const { routing } = await run(new FakeStep(true));
    assert.deepEqual(Object.keys(routing), ['law', 'math']);
    const [law] = routing.law!;
    assert.deepEqual([law!.load, law!.meanGate, law!.deadExperts], [[0, 1], [0.25, 0.75], 1]);
  });

  it('compares the choices of routers with those of the evaluation before, domain by domain', async () => {
    const choices = new Map<string, RouterChoices>();
    const again = () =>
      evaluate(new FakeStep(true), domains, progress, {
        plan: { every: 1, tokens: 1000 },
        context: 3,
        batch: 1,
        choices,
      });
    const { routing: first } = await again();
    assert.deepEqual([first.law![0]!.saturation, first.law![0]!.coActivation], [undefined, [0.1875]]);
    const { routing: second } = await again();
    assert.deepEqual([second.law![0]!.saturation, second.math![0]!.saturation], [1, 1]);
  });

  it('tells of its progress, which may end it', async () => {
    const seen: string[] = [];
    const onProgress = (domain: string, tokens: number): void => {
      seen.push(`${domain} ${tokens}`);
      if (domain === 'math') throw new Error('enough');
    };
    const options = { plan: { every: 1, tokens: 1000 }, context: 3, batch: 1, onProgress };
    await assert.rejects(evaluate(new FakeStep(false), domains, progress, options), /enough/);
    assert.deepEqual(seen, ['law 3', 'law 6', 'math 3']);
  });

  it('lets the event loop have a turn between batches', async () => {
    const step = new FakeStep(false);
    const seen: number[] = [];
    const timer = setInterval(() => seen.push(step.seen.length), 0);
    const watching = new Promise<void>((resolve) => setImmediate(resolve));
    const evaluated = run(step);
    await watching;
    assert.equal(step.seen.length, 1, 'after one turn, one batch was evaluated');
    await evaluated;
    clearInterval(timer);
    assert.equal(step.seen.length, 3);
  });
});
