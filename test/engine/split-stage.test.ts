import assert from 'node:assert/strict';
import { join } from 'node:path';
import { loadTokenizer } from '../../src/data/tokenizer';
import { startBackend } from '../../src/engine/backend';
import type { EventBody, Evaluation } from '../../src/events/event';
import type { Plan } from '../../src/plan/plan';
import { runStage } from '../../src/train/stage';
import { RandomDomains } from '../support/random-domains';
import { experimentWith, planned } from '../unit/plan/experiment';

const STAGES = `  dense: { train: { tokens: 384, batch: 2, mix: { law: 1 } } }
  whole: { from: dense, split: { experts: 2, width: 64, shared: 64, tokens: 128 } }
  hash: { from: dense, split: { experts: 4, width: 16, shared: 8, tokens: 128 }, train: { like: dense, distill: { teacher: dense } } }
  learnt: { from: dense, split: { experts: 4, width: 16, shared: 8, routing: learnt, importance: inverse, tokens: 128 }, train: { like: hash } }
  narrow: { from: dense, split: { experts: 1, width: 16, shared: 0, importance: random } }
`;

describe('a stage that is split out of a dense one', () => {
  let data: RandomDomains;
  const stages = planned(experimentWith(STAGES));
  before(async () => {
    await startBackend('wasm');
    data = new RandomDomains();
    await run('dense');
  });
  after(() => data.close());

  /** Runs a stage with checkpoints of its own by `suffix`, or stops before the step that `stopAt` says. */
  async function run(name: keyof typeof stages, { suffix = '', stopAt = Infinity } = {}) {
    const stage = stages[name]!;
    const steps: number[][] = [];
    const notes: string[] = [];
    const evaluations: Evaluation[] = [];
    let turns = 0;
    await runStage({
      plan: { seed: 1, step: 'eager', domains: [], stages: Object.values(stages) } as unknown as Plan,
      stage,
      domains: data.domains,
      tasks: [],
      tokenizer: loadTokenizer('bytes', ''),
      checkpoints: (key) => join(data.folder, key === stage.key ? `${key}${suffix}` : key),
      provenance: { experiment: 'x', stage: stage.name, key: stage.key, run: '', tokenizer: 'bytes', version: '' },
      backend: { kind: 'wasm', description: 'wasm' },
      emit: (event: EventBody) => {
        if (event.type === 'step') steps.push([event.loss, event.languageModel, event.distillation ?? NaN]);
        if (event.type === 'note') notes.push(event.message);
        if (event.type === 'evaluation') evaluations.push(event);
      },
      stopRequested: () => turns++ === stopAt,
    });
    return { steps, notes, evaluations };
  }

  it('starts as the dense one where every expert has all neurons', async () => {
    const { evaluations } = await run('whole');
    const dense = await run('dense', { suffix: '-again' });
    const [found, expected] = [evaluations[0]!, dense.evaluations.at(-1)!].map(
      ({ averagePerplexity }) => averagePerplexity,
    );
    assert.ok(Math.abs(found! - expected!) < 1e-3, `${found} ${expected}`);
  });

  for (const name of ['hash', 'learnt'] as const) {
    it(`goes on after a stop as an undisturbed one, with its teacher (${name})`, async () => {
      const calm = await run(name, { suffix: '-calm' });
      assert.equal(calm.steps.length, 3);
      assert.ok(calm.steps.every(([loss, language, distillation]) => distillation! > 0 && loss! > language!));
      const stopped = await run(name, { suffix: '-stopped', stopAt: 2 });
      const resumed = await run(name, { suffix: '-stopped' });
      assert.deepEqual([...stopped.steps, ...resumed.steps], calm.steps);
    });
  }

  it('says in the log how it was split', async () => {
    const said = async (name: 'hash' | 'learnt' | 'narrow') => (await run(name, { suffix: '-log' })).notes.join('\n');
    assert.match(
      await said('hash'),
      /4 experts from the FFNs of stage dense, each 16 of 64 hidden neurons, 8 of them shared, by importance on 128 tokens; tokens sent by a hash/,
    );
    assert.match(await said('learnt'), /by least importance on 128 tokens; routers new, experts scaled/);
    assert.match(
      await said('narrow'),
      /the FFNs of stage dense with 16 of 64 hidden neurons, 0 of them shared, by chance/,
    );
  });
});
