import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Batch, countedTargets } from '../../src/data/sequences';
import { TokenFile } from '../../src/data/token-file';
import { startBackend } from '../../src/engine/backend';
import { createParameters } from '../../src/model/parameters';
import type { PlannedStage, TrainPlan } from '../../src/plan/plan';
import { trainingPasses } from '../../src/train/batches';
import { EagerStep } from '../../src/train/eager-step';
import { EagerModel } from '../../src/train/evaluated-model';
import { EnsembleModel } from '../../src/train/ensemble';
import { evaluate } from '../../src/train/evaluate';
import { GraphStep } from '../../src/train/graph-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { assertClose, largeValues, MODELS, onEveryBackend, randomBatch, SMALL } from '../support/engine';

const SETTINGS = { beta1: 0, beta2: 0.95, weightDecay: 0, clip: 1e9, loadBalance: 0.01, routerZ: 0.001 };
const SEQUENCES = 4;
const STAGE = { architecture: SMALL, seed: 1 } as PlannedStage;

/** A batch of which every third target is learnt, and none of its first sequence. */
function instructionBatch(architecture = SMALL, sequences = SEQUENCES): Batch {
  const { inputs, targets } = randomBatch(architecture, sequences, 3);
  return { inputs, targets, weights: Float32Array.from(targets, (_, i) => Number(i >= SMALL.context && i % 3 === 0)) };
}

const passesOf = (batch: Batch, accumulate: number, architecture = SMALL) =>
  trainingPasses({ ...STAGE, architecture }, { accumulate } as TrainPlan, batch, 0);

onEveryBackend('a batch of instructions', () => {
  it('has the mean loss of its answers, however it is divided into passes', () => {
    const batch = instructionBatch();
    const model = new EagerModel(SMALL, createParameters(SMALL, largeValues(SMALL, 1)));
    const losses = model.tokenLosses(batch, SMALL.context);
    const sum = losses.reduce((total, loss, i) => total + loss * batch.weights![i]!, 0);
    assertClose([model.evaluate(batch, new RoutingStatistics())], [sum], 1e-3, 'evaluation');
    const ensemble = new EnsembleModel([model], { weights: 'uniform', context: SMALL.context });
    assertClose([ensemble.evaluate(batch)], [sum], 1e-3, 'ensemble');
    const gradients = [1, 2, 4].map((accumulate) => {
      const step = new EagerStep(SMALL, createParameters(SMALL, largeValues(SMALL, 1)), SETTINGS);
      const { languageModel } = step.train(passesOf(batch, accumulate), 0, 0, false);
      assertClose([languageModel], [sum / countedTargets(batch)], 1e-5 * sum, `${accumulate} passes`);
      const { first } = step.readMoments();
      step.dispose();
      return first;
    });
    for (const [name, gradient] of gradients[0]!) {
      for (const other of gradients) assertClose(other.get(name)!, gradient, 1e-5, name);
    }
    model.dispose();
  });

  it('without an answer moves nothing', () => {
    const batch = { ...instructionBatch(), weights: new Float32Array(SEQUENCES * SMALL.context) };
    const step = new EagerStep(SMALL, createParameters(SMALL, largeValues(SMALL, 1)), SETTINGS);
    const { loss, gradientNorm } = step.train(passesOf(batch, 1), 1, 0, false);
    assert.deepEqual([loss, gradientNorm], [0, 0]);
    step.dispose();
  });
});

describe('a batch of instructions in a graph', () => {
  before(() => startBackend('native'));

  for (const name of ['dense', 'bam with kv-experts', 'sampled FFNs']) {
    for (const passes of [1, 2]) {
      it(`does what the eager form does: ${name}, passes: ${passes}`, () => {
        const architecture = MODELS[name]!;
        const values = largeValues(architecture, 1);
        const batches = passesOf(instructionBatch(architecture), passes, architecture);
        const sequences = SEQUENCES / passes;
        const weighted = { training: true, evaluation: true };
        const graph = GraphStep.create({
          architecture,
          values,
          settings: SETTINGS,
          sequences,
          passes,
          form: 'graph',
          weighted,
        });
        const eager = new EagerStep(architecture, createParameters(architecture, values), SETTINGS);
        for (const of of [instructionBatch(architecture, sequences), instructionBatch(architecture, 3)]) {
          const [found, expected] = [graph, eager].map((step) => step.evaluate(of, new RoutingStatistics()));
          assertClose([found!], [expected!], 1e-3, 'evaluation');
        }
        const { weights: _, ...text } = instructionBatch(architecture, sequences);
        const [plain, expected] = [graph, eager].map((step) => step.evaluate(text, new RoutingStatistics()));
        assertClose([plain!], [expected!], 1e-2, 'evaluation of a text');
        const results = [graph, eager].map((step) => step.train(batches, 1e-3, 0, false));
        for (const part of ['loss', 'languageModel', 'gradientNorm'] as const) {
          assertClose([results[0]![part]], [results[1]![part]], 1e-4 * results[1]![part], part);
        }
        const moments = eager.readMoments().first;
        for (const [tensor, gradient] of graph.readMoments().first)
          assertClose(gradient, moments.get(tensor)!, 1e-4, tensor);
        graph.dispose();
        eager.dispose();
      });
    }
  }
});

describe('an evaluation on instructions', () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bam-instructions-'));
    await startBackend('wasm');
  });
  after(() => rmSync(folder, { recursive: true }));

  const open = (marks: number[]): TokenFile => {
    writeFileSync(join(folder, 'marks'), Uint8Array.from(marks));
    writeFileSync(join(folder, 'tokens'), new Uint8Array(Uint16Array.from([0, 1, 2, 3, 4, 5, 6]).buffer));
    return TokenFile.open(join(folder, 'tokens'), 2, 7, TokenFile.open(join(folder, 'marks'), 1, 7));
  };
  /** A model whose loss is the target's id. */
  const model = {
    evaluate: ({ targets, weights }: Batch) => targets.reduce((sum, id, i) => sum + id * weights![i]!, 0),
  };
  const run = (file: TokenFile) => {
    const domain = { name: 'law', fingerprint: '', train: file, heldOut: file, tokensPerByte: 1 };
    const progress = { step: 0, tokens: 0, flops: 0 };
    const options = { plan: { every: 1, tokens: 100 }, context: 3, batch: 1 };
    return evaluate(model, new Map([['law', domain]]), progress, options).finally(() => file.close());
  };

  it('is the mean over the tokens of answers, of which it counts as many', async () => {
    const { loss, tokens, perplexity } = (await run(open([1, 0, 1, 0, 0, 1, 0]))).domains.law!;
    assert.deepEqual([loss, tokens, perplexity], [3.5, 2, Math.exp(3.5)]);
  });

  it('says so where there is none', async () => {
    await assert.rejects(run(open([1, 0, 0, 0, 0, 0, 0])), { reason: 'no-answers', message: /law/ });
  });
});
