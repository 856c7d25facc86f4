import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startBackend } from '../../src/engine/backend';
import type { EventBody } from '../../src/events/event';
import type { Plan } from '../../src/plan/plan';
import { loadTokenizer } from '../../src/data/tokenizer';
import { runStage } from '../../src/train/stage';
import type { StageOutcome } from '../../src/train/stage-context';
import { RandomDomains } from '../support/random-domains';
import { experimentWith, planned } from '../unit/plan/experiment';

describe('a stage', () => {
  let data: RandomDomains;
  before(async () => {
    await startBackend('wasm');
    data = new RandomDomains();
  });
  after(() => data.close());

  const STAGES = `  seed: { train: { tokens: 384, batch: 2, evaluationTokens: 64 } }
  mov: { from: seed, adapt: { method: mov, experts: 2 }, train: { like: seed } }
`;

  /** Runs three steps of a stage with checkpoints in `place`, or stops before the step that `stopAt` says. */
  async function run(
    place: string,
    stopAt = Infinity,
    name = 'seed',
  ): Promise<{ outcome: StageOutcome; losses: number[] }> {
    const stage = planned(experimentWith(STAGES))[name]!;
    const losses: number[] = [];
    let turns = 0;
    const outcome = await runStage({
      plan: { seed: 1, step: 'eager', domains: [] as Plan['domains'] } as Plan,
      stage,
      domains: data.domains,
      tasks: [],
      tokenizer: loadTokenizer('bytes', ''),
      checkpoints: (key) => join(data.folder, key === stage.key ? place : 'base', 'checkpoints'),
      provenance: { experiment: 'x', stage: name, key: stage.key, run: '', tokenizer: 'bytes', version: '' },
      backend: { kind: 'wasm', description: 'wasm' },
      emit: (event: EventBody) => event.type === 'step' && losses.push(event.loss),
      stopRequested: () => turns++ === stopAt,
    });
    return { outcome, losses };
  }

  for (const stopAt of [0, 2]) {
    it(`that was stopped after ${stopAt} steps goes on as an undisturbed one`, async () => {
      const calm = await run(`calm-${stopAt}`);
      assert.equal(calm.losses.length, 3);
      const stopped = await run(`stopped-${stopAt}`, stopAt);
      assert.deepEqual(stopped.outcome, { state: 'stopped', step: stopAt });
      const resumed = await run(`stopped-${stopAt}`);
      assert.deepEqual([...stopped.losses, ...resumed.losses], calm.losses);
    });

    it(`with adapters too, after ${stopAt} steps`, async () => {
      await run('base');
      const calm = await run(`calm-adapters-${stopAt}`, Infinity, 'mov');
      assert.equal(calm.losses.length, 3);
      const stopped = await run(`stopped-adapters-${stopAt}`, stopAt, 'mov');
      const resumed = await run(`stopped-adapters-${stopAt}`, Infinity, 'mov');
      assert.deepEqual([...stopped.losses, ...resumed.losses], calm.losses);
    });
  }
});
