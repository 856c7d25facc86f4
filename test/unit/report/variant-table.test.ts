import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { TaskResult } from '../../../src/events/event';
import type { Plan, PlannedStage } from '../../../src/plan/plan';
import { planVariants } from '../../../src/plan/variants';
import { bootstrapInterval } from '../../../src/report/bootstrap';
import { compareRuns } from '../../../src/report/compare';
import { exportRun } from '../../../src/report/export';
import { reportRun } from '../../../src/report/run-report';
import { variantsAsText, variantTable } from '../../../src/report/variant-table';
import { withIndex } from '../../../src/store/index';
import type { StageState, StageSummary } from '../../../src/store/queries';
import { experimentWith, inputsFor } from '../plan/experiment';
import * as made from '../store/synthetic';

const STAGES = `  seed: { train: { mix: { general: 1 }, tokens: 64k } }
  bam: { upcycle: { method: bam, experts: [seed, seed] }, train: { tokens: 16k } }
  dense: { from: seed, train: { like: bam } }
`;

function planOf(lines: string): Plan {
  const experiment = experimentWith(STAGES, { 'seed: 1': lines });
  return { stages: planVariants(experiment, inputsFor(experiment)) } as unknown as Plan;
}

/** A stage whose two domains have this perplexity and twice as much, and as loss a twentieth of it; math has three times the tokens. */
function summary({ name }: PlannedStage, law: number, state: StageState = 'finished'): StageSummary {
  const of = (perplexity: number, tokens: number) => ({ loss: perplexity / 20, perplexity, bitsPerByte: 1, tokens });
  const domains = { law: of(law, 1), math: of(2 * law, 3) };
  const result = { step: 1, tokens: 1, flops: 1, average: 1.5 * law, domains, tasks: {} };
  const unknown = { key: null, step: null, steps: null, seconds: null, secondsLeft: null, engine: null };
  return { name, state, ...unknown, fromRun: null, detail: null, result };
}

/** Results by what a stage is called and its seed. */
function results(plan: Plan, law: (stage: PlannedStage) => number): StageSummary[] {
  return plan.stages.map((stage) => summary(stage, law(stage)));
}

describe('results over seeds', () => {
  const base = { seed: 8, bam: 4, dense: 6 } as const;
  const law = ({ seed, variant }: PlannedStage): number => base[variant!.stage as keyof typeof base] + (seed - 2) / 10;

  it('are mean, deviation and number, and the difference to the dense stage that nothing starts from', () => {
    const plan = planOf('seeds: [1, 2, 3]');
    const table = variantTable(results(plan, law), plan)!;
    assert.equal(
      variantsAsText(table),
      [
        'Over seeds: held-out perplexity of finished stages, mean ± standard deviation (number of seeds). The average is the mean of ' +
          'the columns law, math. The pooled loss is the mean loss of all their tokens, in nats. The difference is that of averages ' +
          'to dense, seed by seed, with the 95 % bootstrap interval of its mean.',
        // Pooled: (1 x 0.4 + 3 x 0.8) / 4 = 0.7 for 8.
        'stage                law               math            average        pooled loss                   difference',
        '-----  -----------------  -----------------  -----------------  -----------------  ---------------------------',
        'seed   8.000 ± 0.100 (3)  16.00 ± 0.200 (3)  12.00 ± 0.150 (3)  0.700 ± 0.009 (3)  +3.000 [+3.000, +3.000] (3)',
        'bam    4.000 ± 0.100 (3)  8.000 ± 0.200 (3)  6.000 ± 0.150 (3)  0.350 ± 0.009 (3)  -3.000 [-3.000, -3.000] (3)',
        'dense  6.000 ± 0.100 (3)  12.00 ± 0.200 (3)  9.000 ± 0.150 (3)  0.525 ± 0.009 (3)                            -',
      ].join('\n'),
    );
  });

  it('have right answers over the seeds that a task was put to, and say where an average leaves a domain out', () => {
    const plan = planOf('seeds: [1, 2, 3]');
    const of = (accuracy: number, normalizedAccuracy: number): TaskResult => {
      return { kind: 'multiple-choice', fingerprint: 'a', examples: 9, accuracy, normalizedAccuracy };
    };
    const stages = results(plan, law).map((stage) => {
      if (stage.name === 'seed@seed=1') {
        const { math: _math, ...domains } = stage.result!.domains;
        return { ...stage, result: { ...stage.result!, domains } };
      }
      const asked: Record<string, TaskResult> = { 'bam@seed=1': of(0.2, 0.5), 'bam@seed=2': of(0.4, 0.5) };
      const quiz = asked[stage.name];
      return quiz ? { ...stage, result: { ...stage.result!, tasks: { quiz } } } : stage;
    });
    const full = variantsAsText(variantTable(stages, plan)!);
    assert.equal(
      full.split('\n\n')[1],
      [
        'Over seeds: right answers of finished stages in per cent, mean ± standard deviation over seeds (number of seeds).',
        'stage             quiz  quiz (by length)',
        '-----  ---------------  ----------------',
        'seed                 -                 -',
        'bam    30.0 ± 14.1 (2)    50.0 ± 0.0 (2)',
        'dense                -                 -',
      ].join('\n'),
    );
    assert.doesNotMatch(full, /mean of the others/, 'two seeds of the stage have the domain');
    const none = stages.map((stage) => {
      if (!stage.name.startsWith('seed@')) return stage;
      const { math: _math, ...domains } = stage.result!.domains;
      return { ...stage, result: { ...stage.result!, domains } };
    });
    assert.match(variantsAsText(variantTable(none, plan)!), /mean of the others: such averages cannot be compared/);
  });

  it('never take an ensemble for the baseline, and a stage for no less a baseline since it is a member of one', () => {
    const ensemble = '  all: { ensemble: { members: [seed, dense] } }\n';
    const stages = (order: string): string => STAGES.replace('  dense', `${order}  dense`);
    for (const text of [STAGES + ensemble, stages(ensemble)]) {
      const experiment = experimentWith(text, { 'seed: 1': 'seeds: [1, 2]' });
      const plan = { stages: planVariants(experiment, inputsFor(experiment)) } as unknown as Plan;
      assert.equal(
        variantTable(
          results(plan, () => 5),
          plan,
        )!.baseline,
        'dense',
      );
    }
  });

  it('pair seeds: one without both results counts for neither, one that is not done not at all', () => {
    const plan = planOf('seeds: [1, 2, 3]');
    const noisy = (stage: PlannedStage): number => law(stage) + (stage.variant!.stage === 'bam' ? 0.2 * stage.seed : 0);
    const stages = results(plan, noisy).map((stage) => {
      if (stage.name === 'dense@seed=1') return { ...stage, result: null, state: 'failed' as const };
      return stage.name === 'seed@seed=2' ? { ...stage, state: 'running' as const } : stage;
    });
    const { rows } = variantTable(stages, plan)!;
    const [seed, bam, dense] = rows;
    assert.deepEqual([seed!.average!.n, bam!.average!.n, dense!.average!.n], [2, 3, 2]);
    const expected = [1.5 * (4 + 0.4 - 6), 1.5 * (4.1 + 0.6 - 6.1)];
    assert.ok(Math.abs(bam!.difference!.mean - (expected[0]! + expected[1]!) / 2) < 1e-12);
    const { low, high } = bootstrapInterval(expected)!;
    assert.ok(Math.abs(bam!.difference!.interval!.low - low) < 1e-12);
    assert.ok(Math.abs(bam!.difference!.interval!.high - high) < 1e-12);
    assert.deepEqual(seed!.difference!.n, 1);
    assert.equal(seed!.difference!.interval, null);
  });

  it('have a column for each swept value, and compare equal values', () => {
    const plan = planOf('sweep: { model.width: [32, 64], stages.bam.train.loadBalance: [0, 0.1] }');
    const { paths, rows, baseline } = variantTable(
      results(plan, ({ architecture, variant }) => architecture.width + (variant!.stage === 'bam' ? 1 : 2)),
      plan,
    )!;
    assert.deepEqual(paths, ['width', 'loadBalance']);
    assert.equal(baseline, 'dense@width=32');
    assert.deepEqual(
      rows
        .filter(({ stage }) => stage !== 'seed')
        .map(({ group, values, difference }) => [group, values, difference?.mean]),
      [
        ['bam@width=32,loadBalance=0', ['32', '0'], -1.5],
        ['bam@width=32,loadBalance=0.1', ['32', '0.1'], -1.5],
        ['bam@width=64,loadBalance=0', ['64', '0'], -1.5],
        ['bam@width=64,loadBalance=0.1', ['64', '0.1'], -1.5],
        ['dense@width=32', ['32', null], undefined],
        ['dense@width=64', ['64', null], 48],
      ],
    );
    assert.deepEqual(rows[0]!.average, { mean: 51, deviation: null, n: 1 });
  });

  it('can be compared with another stage, or one value of it', () => {
    const plan = planOf('sweep: { stages.bam.train.loadBalance: [0, 0.1] }');
    const stages = results(plan, ({ variant }) => (variant ? 5 : 6));
    assert.equal(variantTable(stages, plan, 'seed')!.baseline, 'seed');
    assert.equal(variantTable(stages, plan, 'bam')!.baseline, 'bam@loadBalance=0');
    const { rows, baseline } = variantTable(stages, plan, 'bam@loadBalance=0.1')!;
    assert.equal(baseline, 'bam@loadBalance=0.1');
    assert.deepEqual(
      rows.map(({ group, difference }) => [group, difference?.mean]),
      [
        ['seed', 1.5],
        ['bam@loadBalance=0', 0],
        ['bam@loadBalance=0.1', undefined],
        ['dense', 1.5],
      ],
    );
  });

  it('cannot be compared with what the run does not have', () => {
    const plan = planOf('seeds: [1, 2]');
    assert.throws(() => variantTable([], plan, 'bem'), { reason: 'unknown-stage' });
  });

  it('stand in the report, and beside those of another run without variants', () =>
    made.withWorkspace(async (workspace) => {
      const plan = {
        ...planOf('seeds: [1, 2]'),
        seed: 1,
        domains: [],
        tokenizer: { name: 'bytes', vocabulary: 257, fingerprint: 'bytes' },
      };
      const write = (run: string, stages: Record<string, number>): void => {
        const ends = Object.entries(stages).map(([name, law]) => made.stageFinished(name, made.evaluation(9, { law })));
        made.writeEvents(workspace, run, [made.runStarted(run, Object.keys(stages)), ...ends]);
      };
      write('one-1', { bam: 4 });
      write('two-1', { 'bam@seed=1': 5, 'bam@seed=2': 7, 'dense@seed=1': 5, 'dense@seed=2': 6 });
      writeFileSync(workspace.planFile('two-1'), JSON.stringify(plan));
      const { html, variants } = await reportRun(workspace, 'two-1');
      // Means of the losses log(5) and log(7).
      assert.match(
        html,
        /<td>6\.000 ± 1\.414 \(2\)<\/td>\s*<td>1\.778 ± 0\.238 \(2\)<\/td>\s*<td>\+0\.500 \[\+0\.000, \+1\.000\] \(2\)<\/td>/,
      );
      assert.match(html, /<dt>Seed<\/dt>\s*<dd>1, 2<\/dd>/);
      assert.equal(variants!.rows.find(({ group }) => group === 'bam')!.average!.n, 2);
      const { value } = await withIndex(workspace, (index) => compareRuns(workspace, index, ['one-1', 'two-1']));
      const bam = value.groups.find(({ group }) => group === 'bam')!;
      assert.deepEqual(
        bam.averages.map((summary) => summary?.n),
        [1, 2],
      );
      assert.deepEqual(bam.differences, [0, 2]);
      const seeds = (run: string) => withIndex(workspace, (index) => exportRun(workspace, index, run, 'seeds'));
      const [header, , row] = (await seeds('two-1')).value.split('\r\n').map((line) => line.split(','));
      assert.deepEqual(header!.slice(0, 4), ['stage', 'law', 'law standard deviation', 'law seeds']);
      assert.deepEqual(
        [row![0], row![1], row![3], ...row!.slice(10)],
        ['bam', '6', '2', '0.5', '0', '1', '2', 'dense'],
      );
      await assert.rejects(seeds('one-1'), { reason: 'no-variants' });
    }));

  it('are none where the plan has no variants, or is gone', () => {
    const plan = planOf('seed: 1');
    assert.equal(
      variantTable(
        results(plan, () => 5),
        plan,
      ),
      undefined,
    );
    assert.equal(variantTable([], undefined), undefined);
  });
});
