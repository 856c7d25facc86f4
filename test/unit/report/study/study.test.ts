import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { PlannedStage } from '../../../../src/plan/plan';
import { studyCosts } from '../../../../src/report/study/costs';
import { readVariantName } from '../../../../src/base/variant-name';
import { roleOf } from '../../../../src/report/study/roles';
import { planOf, STAGES, studyOf, writeRun } from './support';

const A = 'x-20261124-171530-aaaa';
const B = 'x-20261125-090000-bbbb';
const LAW: Record<string, number> = { seed: 10, law: 5, dense: 6, btx: 4.5, bam: 4 };
/** Perplexity in `law`: that of the stage, and a tenth more for each seed behind the first; `bam` varies more. */
const law = ({ name, seed }: PlannedStage): number => {
  const { stage } = readVariantName(name);
  return LAW[stage]! + (seed - 1) * (stage === 'bam' ? 0.3 : 0.1);
};

describe('the data of a report', () => {
  it('groups stages by what the graph says of them, and says what their budget was matched with', async () => {
    const plan = planOf();
    const { rows, baseline, domains, missing } = await studyOf((place) => writeRun(place, A, { plan, law }), [A]);
    assert.deepEqual(
      rows.map(({ stage, role, method, attention, match }) => [
        stage,
        role,
        method,
        attention,
        match && `${match.budget} ${match.stage}`,
      ]),
      [
        ['seed', 'seed', null, null, null],
        ['law', 'specialist', null, null, null],
        ['dense', 'dense', null, null, 'data bam'],
        ['bam', 'mixture', 'bam', 'kv-experts', null],
        ['btx', 'mixture', 'btx', null, 'compute bam'],
      ],
    );
    assert.deepEqual([baseline, domains, missing], ['dense', ['general', 'law'], []]);
    const bam = rows.find(({ stage }) => stage === 'bam')!;
    assert.deepEqual([bam.average, bam.perplexity['general']!.mean], [{ mean: 6, deviation: null, n: 1 }, 8]);
    assert.deepEqual(bam.difference, { mean: -3, n: 1, interval: null });
    assert.equal(bam.seconds!.mean, 42);
    const planned = plan.stages.find(({ name }) => name === 'bam')!.parameters;
    assert.deepEqual(bam.parameters, { total: planned.total, active: planned.active });
    assert.ok(bam.parameters.active < bam.parameters.total);
  });

  it('knows ensembles, which make no specialist of a member, and budgets that count parents', async () => {
    const stages = `${STAGES.replace('match: data', 'match: compute, countParents: true')}  both: { ensemble: { members: [law, dense] } }\n`;
    const plan = planOf('seed: 1', stages);
    const all = (stage: PlannedStage): number => (stage.ensemble ? 7 : law(stage));
    const { rows, curves } = await studyOf(
      (place) => writeRun(place, A, { plan, law: all, file: `stages:\n${stages}` }),
      [A],
    );
    const roles = Object.fromEntries(rows.map(({ stage, role }) => [stage, role]));
    assert.deepEqual([roles['law'], roles['dense'], roles['both']], ['specialist', 'dense', 'ensemble']);
    const pruned = planOf('seed: 1', `${STAGES}  less: { from: bam, prune: { method: random, keep: 1 } }\n`);
    const less = roleOf(
      pruned.stages.find(({ name }) => name === 'less')!,
      pruned,
    );
    assert.deepEqual(less, { role: 'mixture', method: 'bam', attention: 'kv-experts', left: '1 of 2' });
    assert.ok(curves.some(({ group }) => group === 'dense'));
    const match = rows.find(({ stage }) => stage === 'dense')!.match;
    assert.deepEqual(match, { budget: 'compute', stage: 'bam', countsParents: true });
  });

  it('joins the seeds of one run and of several, a stage that both have once', async () => {
    const write = (place: Parameters<typeof writeRun>[0]): void => {
      writeRun(place, A, { plan: planOf('seeds: [1, 2]'), law });
      const plan = planOf('seeds: [2, 3]');
      const stages = plan.stages.filter(({ seed }) => seed === 2).map(({ name }) => name);
      writeRun(place, B, { plan, law, cached: { from: A, stages } });
    };
    const study = await studyOf(write, [A, B]);
    const bam = study.rows.find(({ stage }) => stage === 'bam')!;
    assert.deepEqual([bam.group, bam.seeds], ['bam', [1, 2, 3]]);
    // 1.5 x (4, 4.3, 4.6) against 1.5 x (6, 6.1, 6.2)
    assert.ok(Math.abs(bam.average!.mean - 6.45) < 1e-12);
    assert.ok(Math.abs(bam.average!.deviation! - 0.45) < 1e-12);
    assert.equal(bam.difference!.n, 3);
    assert.ok(Math.abs(bam.difference!.mean - -2.7) < 1e-12);
    const { low, high } = bam.difference!.interval!;
    assert.ok(low >= -3 - 1e-9 && low < -2.7 && high > -2.7 && high <= -2.4 + 1e-9, `${low} ${high}`);
    assert.equal(study.stages.length, 15);
    const { total } = studyCosts(study);
    assert.deepEqual([total.stages, total.flops, total.seconds], [15, 15 * 100e9, 15 * 42]);
  });

  it('joins runs of which some have plans of a version without recipes, and tells what differs there too', async () => {
    const older = (plan: ReturnType<typeof planOf>) => {
      return { ...plan, stages: plan.stages.map(({ recipe: _recipe, ...stage }) => stage) };
    };
    const other = STAGES.replace('tokens: 16k', 'tokens: 16k, peakLearningRate: 2e-3');
    const groups = async (stages: string): Promise<string[]> => {
      const write = (place: Parameters<typeof writeRun>[0]): void => {
        writeRun(place, A, { plan: older(planOf('seed: 1')), law });
        writeRun(place, B, { plan: planOf('seed: 2', stages), law });
      };
      return (await studyOf(write, [A, B])).rows.map(({ group }) => group);
    };
    assert.deepEqual(await groups(STAGES), ['seed', 'law', 'dense', 'bam', 'btx']);
    assert.ok((await groups(other)).includes('bam [B]'));
  });

  it('tells runs apart that make a stage in different ways, and compares with that of the first', async () => {
    const other = STAGES.replace('tokens: 16k', 'tokens: 16k, peakLearningRate: 2e-3');
    const write = (place: Parameters<typeof writeRun>[0]): void => {
      writeRun(place, A, { plan: planOf(), law });
      writeRun(place, B, { plan: planOf('seed: 1', other), law: (stage) => law(stage) - 1 });
    };
    const { rows, baseline, runs } = await studyOf(write, [A, B], 'btx');
    const names = ['seed', 'law', 'dense [A]', 'dense [B]', 'bam [A]', 'bam [B]', 'btx [A]', 'btx [B]'];
    assert.deepEqual(
      rows.map(({ group }) => group),
      names,
    );
    assert.equal(baseline, 'btx [A]');
    assert.deepEqual(
      rows.slice(4).map(({ difference }) => difference?.mean),
      [-0.75, -2.25, undefined, -1.5],
    );
    assert.deepEqual(
      runs.map(({ letter, run }) => [letter, run]),
      [
        ['A', A],
        ['B', B],
      ],
    );
    await assert.rejects(studyOf(write, [A], 'nothing'), { reason: 'unknown-stage' });
  });

  it('names what is not finished, and counts it in no mean', async () => {
    const plan = planOf('seeds: [1, 2]');
    const write = (place: Parameters<typeof writeRun>[0]): void => {
      writeRun(place, A, { plan, law: (stage) => (stage.name === 'bam@seed=2' ? null : law(stage)) });
      writeRun(place, B, { plan, law });
      rmSync(place.planFile(B));
    };
    const { rows, missing } = await studyOf(write, [A, B]);
    const bam = rows.find(({ stage }) => stage === 'bam')!;
    assert.deepEqual([bam.seeds, bam.planned, bam.average!.n], [[1], [1, 2], 1]);
    assert.equal(missing.length, 2);
    assert.match(
      missing[0]!,
      new RegExp(`^Run ${B} has no plan\\.json .* left out \\(seed@seed=1, .*bam@seed=2, .*\\)`),
    );
    assert.match(missing[1]!, /^Stage bam@seed=2 of run x-.*-aaaa has no final result \(failed\): loss is NaN/);
    await assert.rejects(studyOf(write, [B]), { reason: 'no-plan' });
    await assert.rejects(studyOf(write, ['nothing']), { reason: 'unknown-run' });
  });

  it('has the load by domain and expert, means over layers, and the curves of what nothing starts from', async () => {
    const { routing, curves } = await studyOf((place) => writeRun(place, A, { plan: planOf(), law }), [A]);
    assert.deepEqual(
      routing.map(({ group, router, domain, experts, load, dead }) => [
        ...[group, router, domain, experts.join(' ')],
        ...load.map(({ mean }) => mean),
        dead.mean,
      ]),
      ['bam', 'btx'].map((group) => [group, 'ffn', 'law', 'seed law', 0.7, 0.3, 0.5]),
    );
    // MaxVio 1 and 0.2.
    assert.ok(Math.abs(routing[0]!.maxViolation.mean - 0.6) < 1e-12);
    assert.deepEqual(
      curves.map(({ group, points }) => [group, ...points.map(({ average }) => average)]),
      [
        ['dense', 36, 18, 9],
        ['bam', 24, 12, 6],
        ['btx', 27, 13.5, 6.75],
      ],
    );
    assert.deepEqual(
      curves[0]!.points.map(({ flops }) => flops),
      [0, 50e9, 100e9],
    );
  });
});
