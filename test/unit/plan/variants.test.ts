import assert from 'node:assert/strict';
import { readVariantName } from '../../../src/base/variant-name';
import { withAncestors } from '../../../src/plan/graph';
import type { Plan, PlannedStage } from '../../../src/plan/plan';
import { planVariants, shortPaths } from '../../../src/plan/variants';
import { experimentWith, inputsFor, planned } from './experiment';

const STAGES = `  dense: { train: { mix: { general: 1 }, tokens: 64k } }
  law: { from: dense, train: { mix: { law: 1 }, tokens: 32k } }
  bam: { upcycle: { method: bam, experts: [dense, law] }, train: { tokens: 16k } }
`;

/** The stages of the file above with these lines instead of \`seed: 1\`. */
function variants(lines: string, stages = STAGES): PlannedStage[] {
  const experiment = experimentWith(stages, { 'seed: 1': lines });
  return planVariants(experiment, inputsFor(experiment));
}

const names = (stages: readonly PlannedStage[]): string[] => stages.map(({ name }) => name);
const named = (stages: readonly PlannedStage[], name: string) => stages.find((stage) => stage.name === name)!;

describe('variants of an experiment', () => {
  it('are one where there is one seed and no sweep, with the names and keys of the file', () => {
    const before = Object.values(planned(experimentWith(STAGES)));
    assert.deepEqual(variants('seed: 1'), before);
    assert.deepEqual(variants('seeds: [1]'), before);
    assert.deepEqual(variants('sweep: { stages.law.train.batch: [16] }'), before, 'a default that is swept');
  });

  it('are, for several seeds, all stages once a seed, with the keys of files with that seed', () => {
    const stages = variants('seeds: [1, 3]');
    assert.deepEqual(names(stages), [
      'dense@seed=1',
      'law@seed=1',
      'bam@seed=1',
      'dense@seed=3',
      'law@seed=3',
      'bam@seed=3',
    ]);
    const third = planned(experimentWith(STAGES, { 'seed: 1': 'seed: 3' }));
    for (const name of ['dense', 'law', 'bam']) {
      const stage = named(stages, `${name}@seed=3`);
      assert.equal(stage.key, third[name]!.key);
      assert.equal(stage.seed, 3);
      assert.deepEqual(stage.variant, { stage: name, seed: 3, values: {} });
    }
    assert.deepEqual(
      named(stages, 'bam@seed=3').parents.map(({ name }) => name),
      ['dense@seed=3', 'law@seed=3'],
    );
  });

  it('share the stages that a swept value does not reach', () => {
    const stages = variants('sweep: { stages.bam.train.loadBalance: [0, 0.01, 0.1] }');
    assert.deepEqual(names(stages), [
      'dense',
      'law',
      'bam@loadBalance=0',
      'bam@loadBalance=0.01',
      'bam@loadBalance=0.1',
    ]);
    const bam = named(stages, 'bam@loadBalance=0.1');
    assert.equal(bam.train!.loadBalance, 0.1);
    assert.deepEqual(
      bam.parents.map(({ name }) => name),
      ['dense', 'law'],
    );
    assert.deepEqual(bam.variant!.values, { 'stages.bam.train.loadBalance': 0.1 });
    assert.equal(named(stages, 'dense').variant, undefined);
    assert.equal(named(stages, 'bam@loadBalance=0.01').key, planned(experimentWith(STAGES)).bam!.key);
  });

  it('have ensembles of the members of the same variant, one where no member differs, and swept weights', () => {
    const ensembles = `${STAGES}  both: { ensemble: { members: [dense, law] } }
  all: { ensemble: { members: [law, bam] } }
`;
    const stages = variants('seeds: [1, 2]\nsweep: { stages.bam.train.loadBalance: [0, 0.1] }', ensembles);
    assert.deepEqual(
      names(stages).filter((name) => name.startsWith('both') || name.startsWith('all')),
      [
        'both@seed=1',
        'all@seed=1,loadBalance=0',
        'all@seed=1,loadBalance=0.1',
        'both@seed=2',
        'all@seed=2,loadBalance=0',
        'all@seed=2,loadBalance=0.1',
      ],
    );
    const all = named(stages, 'all@seed=2,loadBalance=0.1');
    const members = ['law@seed=2', 'bam@seed=2,loadBalance=0.1'].map((name) => named(stages, name));
    assert.deepEqual(
      all.parents,
      members.map(({ name, key }) => ({ name, key })),
    );
    assert.equal(all.parameters.total, members[0]!.parameters.total + members[1]!.parameters.total);
    const plan = { stages } as unknown as Plan;
    assert.deepEqual(names(withAncestors(plan, ['both'])).length, 6);
    const weights = variants('sweep: { stages.both.ensemble.weights: [posterior, uniform] }', ensembles);
    assert.deepEqual(
      weights.flatMap(({ name, ensemble }) => (name.startsWith('both') ? [name, ensemble!.weights] : [])),
      ['both@weights=posterior', 'posterior', 'both@weights=uniform', 'uniform'],
    );
  });

  it('carry the part of the variant that they depend on, and no more', () => {
    const stages = variants(
      'seeds: [1, 2]\nsweep: { stages.law.train.tokens: [32k, 64k], stages.bam.upcycle.method: [bam, btx] }',
    );
    assert.deepEqual(
      names(stages).filter((name) => !name.includes('seed=2')),
      [
        'dense@seed=1',
        'law@seed=1,tokens=32k',
        'bam@seed=1,tokens=32k,method=bam',
        'bam@seed=1,tokens=32k,method=btx',
        'law@seed=1,tokens=64k',
        'bam@seed=1,tokens=64k,method=bam',
        'bam@seed=1,tokens=64k,method=btx',
      ],
    );
    assert.equal(new Set(stages.map(({ key }) => key)).size, stages.length);
    assert.equal(named(stages, 'law@seed=2,tokens=64k').train!.steps, Math.round(64_000 / (16 * 64)));
  });

  it('are one stage where other words give one key', () => {
    const stages = variants('sweep: { stages.bam.train.tokens: [16k, 16000, 32k] }');
    assert.deepEqual(names(stages), ['dense', 'law', 'bam@tokens=16k', 'bam@tokens=32k']);
  });

  it('are not made of a dense stage by what only routers use, and its key is that of the file', () => {
    const like = `${STAGES}  more: { from: dense, train: { like: bam } }\n`;
    const stages = variants('sweep: { stages.bam.train.routerZ: [0, 0.1] }', like);
    assert.equal(named(stages, 'more').key, planned(experimentWith(like)).more!.key);
    assert.equal(names(variants('sweep: { stages.bam.train.clip: [1, 2] }', like)).length, 6);
  });

  it('reach all stages through the model, and stages that match another one', () => {
    const matching = `${STAGES}  more: { from: dense, train: { like: law, match: data } }\n`;
    const model = variants('sweep: { model.ffnHidden: [64, 96] }', matching);
    assert.equal(model.length, 8);
    assert.equal(named(model, 'law@ffnHidden=96').architecture.ffnHidden, 96);
    const budget = names(variants('sweep: { stages.law.train.tokens: [32k, 64k] }', matching));
    assert.deepEqual(budget.slice(0, 3), ['dense', 'law@tokens=32k', 'bam@tokens=32k']);
    assert.ok(budget.includes('more@tokens=64k'));
  });

  it('are named by values without commas and blanks, numbered where the text tells too little', () => {
    const mixes =
      'sweep: { stages.law.train.mix: [equal, { law: 0.9, general: 0.1 }, { law: 3, general: 0.123456789 }] }';
    assert.deepEqual(
      names(variants(mixes)).filter((name) => name.startsWith('law')),
      ['law@mix=equal', 'law@mix=law:0.9+general:0.1', 'law@mix=law:3+general:0.12345678#3'],
    );
  });

  it('are chosen by the name in the file, all of them, or by their own', () => {
    const plan = { stages: variants('seeds: [1, 2]') } as unknown as Plan;
    assert.deepEqual(names(withAncestors(plan, ['law'])), ['dense@seed=1', 'law@seed=1', 'dense@seed=2', 'law@seed=2']);
    assert.deepEqual(names(withAncestors(plan, ['bam@seed=2'])), ['dense@seed=2', 'law@seed=2', 'bam@seed=2']);
  });
});

describe('short names of swept keys', () => {
  it('are as long as they must be to differ', () => {
    assert.deepEqual(
      shortPaths(['stages.a.train.batch', 'stages.b.train.batch', 'stages.b.train.warmup', 'model.width']),
      {
        'stages.a.train.batch': 'a.train.batch',
        'stages.b.train.batch': 'b.train.batch',
        'stages.b.train.warmup': 'warmup',
        'model.width': 'width',
      },
    );
  });

  it('are not `seed`, which means something else in a name', () => {
    assert.deepEqual(shortPaths(['stages.a.train.mix.seed']), { 'stages.a.train.mix.seed': 'mix.seed' });
  });
});

describe('the name of a variant', () => {
  it('says the stage, the seed and the swept values', () => {
    assert.deepEqual(readVariantName('bam@seed=2,loadBalance=0.01,mix=law:1+math:2'), {
      stage: 'bam',
      group: 'bam@loadBalance=0.01,mix=law:1+math:2',
      values: { loadBalance: '0.01', mix: 'law:1+math:2' },
      seed: 2,
    });
    assert.deepEqual(readVariantName('v1.2'), { stage: 'v1.2', group: 'v1.2', values: {}, seed: null });
    assert.equal(readVariantName('bam@seed=10').group, 'bam');
  });
});
