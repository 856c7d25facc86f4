import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Routing } from '../../../src/events/event';
import type { Run } from '../../../src/messages/contract';
import { writeLaterEvaluation } from '../../../src/plan/result';
import { reportRun } from '../../../src/report/run-report';
import { collectRunView } from '../../../src/report/run-view';
import { withIndex } from '../../../src/store/index';
import type { Workspace } from '../../../src/store/layout';
import {
  evaluated,
  evaluation,
  RUN_FINISHED,
  runStarted,
  stageFinished,
  stageStarted,
  step,
  withWorkspace,
  writeEvents,
} from '../store/synthetic';

const RUN = 'law-math-20261124-171530-aaaa';

async function view(workspace: Workspace): Promise<Run> {
  return (await withIndex(workspace, (index) => collectRunView(workspace, index, RUN))).value;
}

function writePlan(workspace: Workspace, experts = ['seed', 'law']): void {
  mkdirSync(workspace.runFolder(RUN), { recursive: true });
  const parameters = { total: 300, active: 100 };
  const rest = { parameters, architecture: {}, flopsPerToken: 1, evaluation: { every: 1, tokens: 1 } };
  const train = (steps: number): object => ({ train: { mix: {}, steps, tokens: 1, flops: 1 } });
  const domain = { config: { files: '*' }, fingerprint: 'f', files: 1, bytes: 1 };
  const bam = {
    name: 'bam',
    parents: experts.map((name) => ({ name, key: name })),
    upcycle: { method: 'bam', experts },
    key: 'bam',
    ...train(40),
    ...rest,
  };
  const seed = { name: 'seed', key: 'seed', parents: [], ...train(100), ...rest };
  const tokenizer = { name: 'bytes', vocabulary: 257, fingerprint: 'bytes' };
  const domains = ['law', 'code'].map((name) => ({ name, ...domain }));
  const plan = { tokenizer, domains, stages: [seed, bam] };
  writeFileSync(workspace.planFile(RUN), JSON.stringify(plan));
}

const router = (load: number[]): Routing => {
  const deadExperts = load.filter((share) => share === 0).length;
  return { layer: 1, router: 'ffn', load, meanGate: load, entropy: 0, maxViolation: 1, deadExperts };
};

describe('a run for panels', () => {
  it('joins the log with the plan: parents, experts, steps of stages that wait', async () => {
    await withWorkspace(async (workspace) => {
      writePlan(workspace);
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed', 'bam']), stageStarted('seed', 0, 100), step('seed', 1, 5)]);
      const run = await view(workspace);
      assert.deepEqual(run.domains, ['law', 'code']);
      const bam = run.stages[1]!;
      assert.deepEqual(
        [bam.method, bam.parents, bam.experts, bam.steps],
        ['bam of seed + law', ['seed', 'law'], ['seed', 'law'], 40],
      );
      assert.deepEqual([bam.totalParameters, bam.activeParameters], [300, 100]);
      assert.equal(run.state, 'interrupted');
      assert.ok(run.alerts.some(({ level, message }) => level === 'error' && message.includes('Resume')));
    });
  });

  it('has the loss over all tokens and the answers of a stage beside its average', async () => {
    await withWorkspace(async (workspace) => {
      writePlan(workspace);
      const sums = { kind: 'exact-match', fingerprint: 'a', examples: 4, accuracy: 0.25 } as const;
      const result = { ...evaluation(100, { law: Math.exp(1), code: Math.exp(2) }), tasks: { sums } };
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed', 'bam']), stageFinished('seed', result)]);
      const [seed, bam] = (await view(workspace)).stages;
      assert.ok(Math.abs(seed!.pooledLoss! - 1.5) < 1e-12);
      assert.deepEqual([seed!.accuracy, bam!.pooledLoss, bam!.accuracy], [{ sums: 0.25 }, null, {}]);
    });
  });

  it('warns of experts that no domain reaches, and names failures', async () => {
    await withWorkspace(async (workspace) => {
      writePlan(workspace);
      const domains = { law: [router([1, 0])], code: [router([1, 0])] };
      const failed = { type: 'stage.failed', stage: 'seed', reason: 'no-memory', message: 'out of memory' } as const;
      writeEvents(workspace, RUN, [
        runStarted(RUN, ['seed', 'bam']),
        failed,
        stageStarted('bam'),
        evaluated('bam', 9, { law: 4, code: 6 }, domains),
        RUN_FINISHED,
      ]);
      const { alerts } = await view(workspace);
      assert.equal(alerts.length, 2);
      assert.match(alerts[0]!.message, /out of memory/);
      assert.match(alerts[1]!.message, /step 9.*: law \(FFN router of layer 1\)/);
      assert.equal(alerts[1]!.stage, 'bam');
    });
  });

  it('tells experts of one stage apart, whose line in the graph is one', async () => {
    await withWorkspace(async (workspace) => {
      writePlan(workspace, ['seed', 'law', 'seed']);
      writeEvents(workspace, RUN, [
        runStarted(RUN, ['seed', 'bam']),
        stageStarted('bam'),
        evaluated('bam', 9, { law: 4 }, { law: [router([0.5, 0.5, 0])] }),
        RUN_FINISHED,
      ]);
      const { stages, alerts } = await view(workspace);
      assert.deepEqual(
        [stages[1]!.parents, stages[1]!.experts],
        [
          ['seed', 'law'],
          ['seed', 'law', 'seed 2'],
        ],
      );
      assert.match(alerts[0]!.message, /: seed 2 \(FFN router of layer 1\)/);
    });
  });

  it('does not call an expert dead that serves one domain only', async () => {
    await withWorkspace(async (workspace) => {
      writePlan(workspace);
      const domains = { law: [router([0, 1])], code: [router([1, 0])] };
      writeEvents(workspace, RUN, [
        runStarted(RUN, ['bam']),
        stageStarted('bam'),
        evaluated('bam', 9, { law: 4, code: 6 }, domains),
        RUN_FINISHED,
      ]);
      assert.deepEqual((await view(workspace)).alerts, []);
    });
  });

  it('lives without a plan', async () => {
    await withWorkspace(async (workspace) => {
      writeEvents(workspace, RUN, [
        runStarted(RUN, ['seed']),
        stageStarted('seed'),
        evaluated('seed', 1, { law: 3 }),
        RUN_FINISHED,
      ]);
      const run = await view(workspace);
      assert.deepEqual([run.domains, run.stages[0]!.totalParameters, run.stages[0]!.average], [['law'], null, 3]);
    });
  });

  it('has what a stage came to when it was evaluated once more, also in the report', async () => {
    await withWorkspace(async (workspace) => {
      const law = (perplexity: number) => evaluation(100, { law: perplexity, code: 2 * perplexity });
      const bodies = ['seed', 'bam'].map((name) => stageFinished(name, law(20)));
      writeEvents(workspace, RUN, [runStarted(RUN, ['seed', 'bam']), ...bodies, RUN_FINISHED]);
      const quiz = { kind: 'exact-match', fingerprint: 'a', examples: 5, accuracy: 0.4 } as const;
      const found = { ...law(10), tasks: { quiz } };
      writeLaterEvaluation(workspace.stagesFolder, { key: 'key-bam', time: 1, engine: 'wasm', evaluation: found });
      const { stages } = await view(workspace);
      assert.equal(stages[0]!.later, null);
      const pooledLoss = (Math.log(10) + Math.log(20)) / 2;
      const perplexity = { law: 10, code: 20 };
      assert.deepEqual(stages[1]!.later, {
        ...{ tokens: 16_384, average: 15, pooledLoss, perplexity },
        accuracy: { quiz: 0.4 },
      });
      assert.deepEqual(stages[1]!.perplexity, { law: 20, code: 40 });
      const { html } = await reportRun(workspace, RUN);
      const [, section] = html.split('<h2>Evaluated after training</h2>');
      assert.match(section!, /on 16384 held-out tokens of a domain at most/);
      assert.match(section!, /<td>10\.00<\/td>\s*<td>20\.00<\/td>/);
      assert.match(section!, /40\.0 ± 24\.5/);
    });
  });
});
