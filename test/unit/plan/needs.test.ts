import assert from 'node:assert/strict';
import { countParameters } from '../../../src/architecture/counts';
import { activationBytes, planNeeds, scheduleLength } from '../../../src/plan/needs';
import type { Plan, PlannedStage } from '../../../src/plan/plan';
import { experimentWith, planned } from './experiment';

const STAGES = `  seed: { train: { tokens: 10240, batch: 8, accumulate: 2 } }
  law: { from: seed, train: { like: seed } }
  bam: { upcycle: { method: bam, experts: [seed, law] }, train: { like: seed, freeze: [experts] } }
  both: { ensemble: { members: [seed, law] } }
`;

describe('what a plan needs', () => {
  const stages = planned(experimentWith(STAGES));
  const plan = { stages: Object.values(stages) } as Plan;

  it('is parameters, gradients, two moments and activations, in float32', () => {
    const { seed } = planNeeds(plan, 1, 1e9).stages;
    const bytes = 4 * stages.seed!.parameters.total;
    assert.deepEqual([seed!.parameters, seed!.gradients, seed!.moments], [bytes, bytes, 2 * bytes]);
    // Four sequences of 64 tokens; a layer of width 32, four heads, FFN of 64; 257 tokens in the vocabulary.
    const layer = 3 * 32 + (2 * 32 + 4 * 64 + 2 * 32) + 3 * 64;
    assert.equal(seed!.activations, 4 * 4 * 64 * (2 * layer + 2 * 257));
    assert.equal(seed!.memory, 4 * bytes + seed!.activations);
    assert.equal(seed!.checkpoint, 3 * bytes);
    assert.equal(seed!.seconds, stages.seed!.train!.flops / 1e9);
    assert.equal(seed!.tokensPerSecond! * seed!.seconds, stages.seed!.train!.tokens);
  });

  it('counts gradients and moments of what trains only', () => {
    const { bam, both } = planNeeds(plan, 1, 1e9).stages;
    const experts = 2 * 2 * 3 * 32 * 64;
    assert.equal(bam!.gradients, 4 * (stages.bam!.parameters.total - experts));
    assert.equal(stages.bam!.parameters.total, countParameters(stages.bam!.architecture).total);
    assert.deepEqual([both!.gradients, both!.activations, both!.checkpoint, both!.seconds], [0, 0, 0, 0]);
  });

  it('has activations of every attention expert and of the FFN experts that a token is sent to', () => {
    const dense = activationBytes(stages.seed!.architecture, 1);
    const mixture = activationBytes(stages.bam!.architecture, 1);
    const attention = 2 * 32 + 4 * 64 + 2 * 32;
    assert.equal(mixture - dense, 4 * 64 * 2 * attention, 'one attention expert more in two layers, and one FFN');
  });
});

describe('the length of a schedule', () => {
  const stage = (name: string, ...parents: string[]): PlannedStage =>
    ({ name, parents: parents.map((parent) => ({ name: parent, key: parent })) }) as PlannedStage;
  const length = (stages: PlannedStage[], hours: Record<string, number>, devices: number): number =>
    scheduleLength(stages, ({ name }) => hours[name]!, devices);
  const BRANCHES = [
    stage('seed'),
    ...['law', 'math', 'code'].map((name) => stage(name, 'seed')),
    stage('bam', 'seed', 'law', 'math', 'code'),
  ];
  const HOURS = { seed: 8, law: 4, math: 3, code: 2, bam: 5 };

  it('is the sum on one device, and the longest path on enough of them', () => {
    assert.equal(length(BRANCHES, HOURS, 1), 22);
    assert.equal(length(BRANCHES, HOURS, 3), 8 + 4 + 5);
    assert.equal(length(BRANCHES, HOURS, 99), 8 + 4 + 5);
  });

  it('is that of a device taking the next stage as soon as it is free', () => {
    // law on one; math, then code on the other: 5 hours.
    assert.equal(length(BRANCHES, HOURS, 2), 8 + 5 + 5);
  });

  it('counts stages that take no time, and waits for a teacher', () => {
    assert.equal(length([], {}, 2), 0);
    assert.equal(
      length([stage('seed'), stage('copy', 'seed'), stage('law', 'copy')], { seed: 1, copy: 0, law: 2 }, 2),
      3,
    );
    const pupil = { ...stage('pupil', 'small'), teacher: { name: 'large', key: 'large' } };
    assert.equal(length([stage('small'), stage('large'), pupil], { small: 1, large: 7, pupil: 2 }, 2), 9);
  });
});
