import assert from 'node:assert/strict';
import type { Points, Run, Stage } from '../../../src/messages/contract';
import { STEP_COLUMNS } from '../../../src/messages/contract';
import { readChoices, smoothingSpan } from '../../../webview/dashboard/choices';
import { placeStages } from '../../../webview/dashboard/graph-layout';
import { currentStages, partDone } from '../../../webview/dashboard/progress';
import { resultNumbers } from '../../../webview/dashboard/result-numbers';
import { groupsOf, hasSeeds, joinedStage } from '../../../webview/dashboard/stage-groups';
import { seriesOf } from '../../../webview/shared/join-curves';
import { PointStore } from '../../../webview/shared/stage-data';
import { xOfEvaluations, xOfSteps } from '../../../webview/shared/x-axis';

function stage(name: string, parents: string[] = [], more: Partial<Stage> = {}): Stage {
  const numbers = { step: null, steps: 100, secondsLeft: null, average: null, perplexity: {} };
  const shape = {
    method: 'train',
    experts: [],
    zeroComputation: 0,
    pooledLoss: null,
    accuracy: {},
    later: null,
    totalParameters: null,
    activeParameters: null,
    detail: null,
  };
  return { name, state: 'waiting', parents, ...numbers, ...shape, ...more };
}

function points(isFirst: boolean, steps: number[], more: Partial<Points> = {}): Points {
  const columns = STEP_COLUMNS.map((column) => {
    const value = (step: number): number =>
      column === 'time' ? 1e12 + step * 500 : column === 'step' ? step : step * 10;
    return [column, Float64Array.from(steps, value)];
  });
  const of = { type: 'points' as const, run: 'r', stage: 'bam', isFirst };
  return { ...of, steps: Object.fromEntries(columns) as Points['steps'], evaluations: [], routing: [], ...more };
}

const evaluation = (step: number, average: number) => ({
  step,
  tokens: step * 10,
  flops: step * 20,
  average,
  perplexity: {},
});

describe('the stage graph', () => {
  it('puts every stage right of its parents', () => {
    const stages = [
      stage('seed'),
      stage('law', ['seed']),
      stage('math', ['seed']),
      stage('bam', ['seed', 'law', 'math']),
    ];
    const places = placeStages(stages).map(({ stage: { name }, column, row }) => [name, column, row]);
    assert.deepEqual(places, [
      ['seed', 0, 0],
      ['law', 1, 0],
      ['math', 1, 1],
      ['bam', 2, 0],
    ]);
  });

  it('survives a plan with a circle or a lost parent', () => {
    const columns = placeStages([stage('a', ['b']), stage('b', ['a']), stage('c', ['gone'])]).map(
      ({ column }) => column,
    );
    assert.ok(columns.every((column) => column >= 0));
    assert.equal(columns[2], 0);
  });
});

describe('the progress of a run', () => {
  it('counts the steps of all stages, those of cached ones as done', () => {
    const stages = [
      stage('seed', [], { state: 'cached', steps: 200 }),
      stage('law', [], { state: 'running', step: 50, steps: 100 }),
      stage('bam', [], { steps: 100 }),
    ];
    const run = { stages } as unknown as Run;
    assert.equal(partDone(run), 250 / 400);
    const names = (of: Run) => currentStages(of).map(({ name }) => name);
    assert.deepEqual(names(run), ['law']);
    const code = stage('code', [], { state: 'preparing' });
    assert.deepEqual(names({ stages: [...stages, code] } as unknown as Run), ['law', 'code']);
    assert.deepEqual(
      names({ stages: [stages[0], stages[2]] } as unknown as Run),
      ['bam'],
      'the next, if none is at work',
    );
    assert.equal(partDone({ stages: [] } as unknown as Run), 0);
  });
});

describe('the results on the dashboard', () => {
  const held = (law: number) => ({
    average: law,
    pooledLoss: law / 10,
    perplexity: { law },
    accuracy: { sums: law / 100 },
  });
  const stages = [
    stage('seed', [], { state: 'running', ...held(9) }),
    stage('bam@seed=1', [], { state: 'finished', ...held(4), later: { ...held(3), tokens: 64 } }),
    stage('bam@seed=2', [], { state: 'finished', ...held(6) }),
    stage('bam@seed=3', [], { state: 'running', ...held(100) }),
    stage('dense'),
  ];

  it('are one number of a single stage, also while it runs, and over the seeds that are done mean and spread', () => {
    const { header, rows } = resultNumbers(groupsOf(stages, true), ['law', 'math'], (one) => one);
    assert.deepEqual(header, ['stage', 'law', 'math', 'average', 'pooled loss', 'sums %']);
    assert.deepEqual(rows, [
      ['seed (running)', '9.000', null, '9.000', '0.900', '9.0'],
      ['bam', '5.000 ± 1.414 (2)', null, '5.000 ± 1.414 (2)', '0.500 ± 0.141 (2)', '5.0 ± 1.4 (2)'],
    ]);
    const each = resultNumbers(groupsOf(stages, false), ['law'], (one) => one);
    assert.deepEqual(
      each.rows.map(([name]) => name),
      ['seed (running)', 'bam@seed=1', 'bam@seed=2', 'bam@seed=3 (running)'],
    );
  });

  it('are of later evaluations only where there are some', () => {
    const { rows } = resultNumbers(groupsOf(stages, true), ['law'], ({ later }) => later);
    assert.deepEqual(rows, [['bam', '3.000 (1)', '3.000 (1)', '0.300 (1)', '3.0 (1)']]);
  });
});

describe('the points of a page', () => {
  it('appends pages, and forgets all of a stage that comes anew', () => {
    const store = new PointStore();
    store.add(points(true, [1, 2], { evaluations: [evaluation(2, 9)] }));
    store.add(points(false, [3], { evaluations: [evaluation(3, 8), evaluation(3, 7)] }));
    const data = store.of('r', 'bam');
    assert.deepEqual([...data.columns.step.values], [1, 2, 3]);
    assert.deepEqual(
      data.evaluations.map(({ average }) => average),
      [9, 7],
      'of two evaluations of a step the later counts',
    );
    store.add(points(true, [1]));
    assert.deepEqual([...store.of('r', 'bam').columns.step.values], [1]);
    assert.deepEqual(store.of('r', 'bam').evaluations, []);
    assert.equal(store.of('r', 'other').columns.step.values.length, 0);
  });

  it('grows past its first room without changing what was read', () => {
    const store = new PointStore();
    const many = Array.from({ length: 3000 }, (_, i) => i);
    store.add(points(true, many.slice(0, 1000)));
    const before = store.of('r', 'bam').columns.step.values;
    store.add(points(false, many.slice(1000)));
    assert.equal(before.length, 1000);
    assert.deepEqual([...store.of('r', 'bam').columns.step.values], many);
  });

  it('has time in seconds since the first step, for evaluations that of their step', () => {
    const store = new PointStore();
    store.add(points(true, [1, 2, 3], { evaluations: [evaluation(0, 9), evaluation(3, 8)] }));
    const data = store.of('r', 'bam');
    assert.deepEqual([...xOfSteps(data, 'time')], [0, 0.5, 1]);
    assert.deepEqual([...xOfEvaluations(data, data.evaluations, 'time')], [0, 1]);
    assert.deepEqual([...xOfEvaluations(data, data.evaluations, 'flops')], [0, 60]);
  });
});

describe('kept choices', () => {
  it('come back, and are forgotten where they have another shape', () => {
    assert.equal(readChoices({ xAxis: 'tokens', run: 'r' }).xAxis, 'tokens');
    assert.equal(readChoices({ xAxis: 'moon' }).xAxis, 'step');
    assert.equal(readChoices(undefined).perplexityBy, 'stage');
    assert.deepEqual([0, 1, 4].map(smoothingSpan), [0, 1, 8]);
  });
});

describe('stages that differ in their seed only', () => {
  const done = (average: number): Partial<Stage> => ({
    state: 'finished',
    average,
    perplexity: { law: 2 * average },
    pooledLoss: average / 4,
    accuracy: { sums: average / 10 },
  });
  const stages = [
    stage('seed@seed=1', [], done(9)),
    stage('bam@seed=1,batch=8', ['seed@seed=1'], done(4)),
    stage('bam@seed=1,batch=16', ['seed@seed=1'], done(5)),
    stage('seed@seed=2', [], done(9)),
    stage('bam@seed=2,batch=8', ['seed@seed=2'], done(6)),
    stage('bam@seed=2,batch=16', ['seed@seed=2'], { state: 'running', step: 40, average: 99 }),
  ];

  it('are joined, each swept value by itself, or all shown', () => {
    assert.deepEqual(
      groupsOf(stages, true).map(({ label, stages: members }) => [label, members.length]),
      [
        ['seed', 2],
        ['bam@batch=8', 2],
        ['bam@batch=16', 2],
      ],
    );
    assert.equal(groupsOf(stages, false).length, 6);
    assert.ok(hasSeeds(stages) && !hasSeeds(stages.slice(0, 3)));
  });

  it('are one stage of the graph, with the mean of those that are done', () => {
    const [seed, eight, sixteen] = groupsOf(stages, true).map(joinedStage);
    assert.deepEqual(
      [eight!.name, eight!.parents, eight!.state, eight!.average],
      ['bam@batch=8', ['seed'], 'finished', 5],
    );
    assert.deepEqual([eight!.perplexity, eight!.pooledLoss, eight!.accuracy], [{ law: 10 }, 1.25, { sums: 0.5 }]);
    assert.deepEqual([sixteen!.state, sixteen!.step, sixteen!.average], ['running', 40, 5]);
    assert.equal(sixteen!.detail, '1 of 2 seeds done');
    assert.deepEqual(
      placeStages([seed!, eight!, sixteen!]).map(({ column }) => column),
      [0, 1, 1],
    );
  });

  it('are one curve without a band while one of them has points, and none without any', () => {
    const one = { steps: [1], x: Float64Array.of(1), y: Float64Array.of(2) };
    assert.deepEqual(seriesOf([one], { label: 'bam', color: 0 }), [{ label: 'bam', color: 0, x: one.x, y: one.y }]);
    assert.ok(seriesOf([one, one], { label: 'bam', color: 0 })[0]!.band);
    assert.deepEqual(seriesOf([], { label: 'bam', color: 0 }), []);
  });
});
