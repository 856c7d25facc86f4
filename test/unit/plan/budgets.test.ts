import assert from 'node:assert/strict';
import { trainingFlops } from '../../../src/architecture/counts';
import { planStages, withAncestors } from '../../../src/plan/graph';
import type { Plan } from '../../../src/plan/plan';
import { parentsText } from '../../../src/plan/upcycling';
import { experimentWith, inputsFor, planned } from './experiment';

const BRANCH = `  dense: { train: { mix: { general: 1 }, tokens: 64k } }
  law: { from: dense, train: { mix: { law: 0.9, general: 0.1 }, tokens: 32k, batch: 8, warmup: 0.2, peakLearningRate: 5e-4 } }
`;

describe('budget of a stage', () => {
  it('is in whole steps of batch x context tokens', () => {
    const { dense, law } = planned(experimentWith(BRANCH));
    assert.equal(dense!.train!.steps, Math.round(64_000 / (16 * 64)));
    assert.equal(dense!.train!.tokens, dense!.train!.steps * 16 * 64);
    assert.equal(dense!.train!.flops, dense!.train!.tokens * trainingFlops(dense!.architecture));
    assert.equal(law!.train!.steps, Math.round(32_000 / (8 * 64)));
    const { least } = planned(experimentWith('  least: { train: { tokens: 1 } }'));
    assert.equal(least!.train!.steps, 1);
  });

  it('can be given in FLOPs, three forward passes a token', () => {
    const { a } = planned(experimentWith('  a: { train: { flops: 200G } }'));
    const { steps, tokens, flops } = a!.train!;
    assert.equal(flops, tokens * 3 * a!.flopsPerToken);
    const ofAStep = flops / steps;
    assert.ok(Math.abs(flops - 200e9) <= ofAStep / 2, `${flops} should be 200e9 to half a step`);
  });

  it('matches another stage in data or in compute', () => {
    const stages = `${BRANCH}  btx: { upcycle: { method: btx, experts: [dense, law] }, train: { tokens: 300k } }
  data: { upcycle: { method: bam, experts: [dense, law] }, train: { like: btx, match: data } }
  compute: { upcycle: { method: bam, experts: [dense, law] }, train: { like: btx, match: compute } }
  unsaid: { from: dense, train: { like: btx } }
`;
    const { btx, data, compute, unsaid } = planned(experimentWith(stages));
    assert.equal(data!.train!.tokens, btx!.train!.tokens);
    assert.ok(data!.train!.flops > 1.2 * btx!.train!.flops, 'BAM costs more for the same tokens');
    assert.ok(compute!.train!.tokens < btx!.train!.tokens);
    const ofAStep = compute!.train!.flops / compute!.train!.steps;
    assert.ok(Math.abs(compute!.train!.flops - btx!.train!.flops) <= ofAStep / 2);
    assert.equal(unsaid!.train!.tokens, btx!.train!.tokens);
  });

  it('matches tokens also where the batch is another', () => {
    const stages = `${BRANCH}  other: { from: dense, train: { like: law, match: data, batch: 4 } }`;
    const { law, other } = planned(experimentWith(stages));
    assert.equal(other!.train!.tokens, law!.train!.tokens);
    assert.equal(other!.train!.steps, 2 * law!.train!.steps);
  });
});

describe('a budget that matches compute', () => {
  const MIXTURES = ['bam', 'btx', 'bam, attention: shared-kv', 'bam, attention: shared-kv, attentionTopK: 1'];
  const ROUTINGS = ['ffnTopK: 1', 'ffnTopK: 2', 'ffnRouting: soft', 'ffnRouting: sample-top-1'];
  const mixtures = MIXTURES.flatMap((method) => ROUTINGS.map((routing) => `method: ${method}, ${routing}`));

  it('is that of the other stage to half a step, whatever both are', () => {
    const lines = mixtures.flatMap((mixture, i) =>
      [1, 3, 16].map(
        (batch) => `  m${i}-${batch}: { upcycle: { ${mixture}, experts: [dense, law, law] },
    train: { like: ${i ? `m${i - 1}-3` : 'law'}, match: compute, batch: ${batch} } }`,
      ),
    );
    const experiment = experimentWith(`${BRANCH}${lines.join('\n')}\n`, { 'tokens: 32k': 'tokens: 320k' });
    const stages = planned(experiment);
    assert.equal(Object.keys(stages).length, 2 + 3 * 16);
    for (const [name, { train }] of Object.entries(stages)) {
      const settings = experiment.stages[name]!.train!;
      if (settings.match !== 'compute') continue;
      const wanted = stages[settings.like!]!.train!.flops;
      const ofAStep = train!.flops / train!.steps;
      assert.ok(Math.abs(train!.flops - wanted) <= ofAStep / 2, `${name}: ${train!.flops}, not ${wanted}`);
    }
  });

  const BTX = `${BRANCH}  same: { from: dense, train: { like: law } }
  plain: { upcycle: { method: btx, experts: [dense, law] } }
  on: { from: law, train: { like: law, mix: equal } }
  btx: { upcycle: { method: btx, experts: [dense, law, same, on, on] }, train: { tokens: 300k } }
`;
  const counted = (stage: string) => planned(experimentWith(`${BTX}  counted: { ${stage} }\n`));

  it('counts the parents of the other stage that it does not come from, equal ones once', () => {
    const match = 'train: { like: btx, match: compute, countParents: true }';
    const cost = (stages: ReturnType<typeof counted>, names: readonly string[]): number =>
      names.reduce((sum, name) => sum + stages[name]!.train!.flops, 0);
    for (const [start, ...parents] of [
      ['from: dense, ', 'law', 'on'],
      ['from: law, ', 'on'],
      ['upcycle: { method: sparse, experts: [dense], copies: 4 }, ', 'law', 'on'],
      ['upcycle: { method: bam, experts: [dense, law] }, ', 'on'],
      ['', 'dense', 'law', 'on'],
    ] as const) {
      const stages = counted(`${start}${match}`);
      assert.equal(stages.law!.key, stages.same!.key);
      const { flops, steps, parentFlops } = stages.counted!.train!;
      assert.equal(parentFlops, cost(stages, parents), start);
      assert.ok(Math.abs(flops - cost(stages, ['btx', ...parents])) <= flops / steps / 2, start);
    }
  });

  it('counts no parents unless told to, and is a matter of the key only in so far as the tokens are', () => {
    const keyOf = (train: string): string => counted(`from: dense, train: { like: btx, ${train} }`).counted!.key;
    const plain = keyOf('match: compute');
    assert.equal(keyOf('match: compute, countParents: false'), plain);
    assert.notEqual(keyOf('match: compute, countParents: true'), plain);
    const { tokens } = counted('from: dense, train: { like: btx, match: compute, countParents: true }').counted!.train!;
    assert.equal(keyOf(`tokens: ${tokens}`), keyOf('match: compute, countParents: true'));
  });
});

describe('settings of a stage', () => {
  it('come from itself, else from the stages along `like`, else from the defaults', () => {
    const stages = `${BRANCH}  code: { from: dense, train: { like: law, mix: { general: 1 } } }
  math: { from: dense, train: { like: code, warmup: 0.3, tokens: 1k } }
`;
    const { law, code, math } = planned(experimentWith(stages));
    assert.deepEqual(code!.train!.mix, { general: 1 });
    assert.equal(code!.train!.batch, 8);
    assert.equal(code!.train!.warmup, 0.2);
    assert.equal(math!.train!.peakLearningRate, 5e-4);
    assert.equal(math!.train!.warmup, 0.3);
    assert.equal(math!.train!.beta2, 0.95);
    assert.deepEqual(math!.train!.mix, { general: 1 });
    assert.equal(math!.train!.steps, Math.round(1000 / (8 * 64)));
    assert.equal(code!.train!.tokens, law!.train!.tokens);
  });

  it('have shares that sum to one, in the order of the domains, equal ones where nothing is said', () => {
    const { dense, law, bam } = planned(
      experimentWith(`${BRANCH}  bam: { upcycle: { method: bam, experts: [dense, law] }, train: { tokens: 1k } }`),
    );
    assert.deepEqual(dense!.train!.mix, { general: 1 });
    assert.deepEqual(Object.entries(law!.train!.mix), [
      ['general', 0.1],
      ['law', 0.9],
    ]);
    assert.deepEqual(bam!.train!.mix, { general: 0.5, law: 0.5 });
  });
});

describe('graph of stages', () => {
  const stages = `  bam: { upcycle: { method: bam, experts: [dense, law] } }
  more: { from: bam, train: { like: law } }
  law: { from: dense, train: { tokens: 1k } }
  alone: { train: { tokens: 1k } }
  dense: { train: { tokens: 1k } }
`;
  const experiment = experimentWith(stages);
  const list = planStages(experiment, inputsFor(experiment));
  const names = (found: { name: string }[]) => found.map(({ name }) => name);

  it('puts parents before their children, whatever the order of the file', () => {
    assert.deepEqual(names(list), ['dense', 'law', 'bam', 'more', 'alone']);
    assert.deepEqual(list[2]!.parents, [
      { name: 'dense', key: list[0]!.key },
      { name: 'law', key: list[1]!.key },
    ]);
    assert.equal(list[2]!.train, undefined);
  });

  it('gives what some stages need, and no more', () => {
    const plan = { stages: list } as unknown as Plan;
    assert.deepEqual(names(withAncestors(plan, ['law'])), ['dense', 'law']);
    assert.deepEqual(names(withAncestors(plan, ['more'])), ['dense', 'law', 'bam', 'more']);
    assert.deepEqual(names(withAncestors(plan, ['alone', 'law'])), ['dense', 'law', 'alone']);
  });

  it('keeps the mixture in stages that go on from it', () => {
    const [dense, , bam, more] = list;
    assert.deepEqual(more!.architecture, bam!.architecture);
    assert.deepEqual(bam!.architecture.mixture, {
      experts: 2,
      ffnTopK: 1,
      gate: 'softmax-topk',
      attention: 'kv-experts',
    });
    const routed = experimentWith(
      stages.replace(
        '[dense, law]',
        '[dense, law], ffnRouting: soft, attentionTopK: 1, router: { normalizeLogits: 2 }',
      ),
    );
    const { mixture } = planStages(routed, inputsFor(routed))[2]!.architecture;
    assert.deepEqual(mixture, {
      ...bam!.architecture.mixture,
      ffnRouting: 'soft',
      ffnTopK: 2,
      attentionTopK: 1,
      router: { normalizeLogits: 2 },
    });
    assert.equal(dense!.architecture.mixture, undefined);
    assert.ok(bam!.parameters.total > dense!.parameters.total);
  });

  it('makes mixtures of repeated, of copied and of no parents', () => {
    const { extra, copies, random } = planned(
      experimentWith(`${BRANCH}  extra: { upcycle: { method: bam, experts: [dense, law, dense] } }
  copies: { upcycle: { method: drop, experts: [law], copies: 8, ffnTopK: 2 } }
  random: { upcycle: { method: scratch, copies: 4 }, train: { tokens: 1k } }
`),
    );
    assert.deepEqual(names(extra!.parents), ['dense', 'law', 'dense']);
    assert.deepEqual([extra!.architecture.mixture!.experts, extra!.architecture.mixture!.attention], [3, 'kv-experts']);
    assert.deepEqual(names(copies!.parents), ['law']);
    assert.deepEqual(copies!.upcycle!.drop, { ratio: 0.5, indices: 'per-matrix' });
    const wanted = { experts: 8, ffnTopK: 2, gate: 'softmax-topk', attention: 'averaged' };
    assert.deepEqual(copies!.architecture.mixture, wanted);
    assert.deepEqual(random!.parents, []);
    assert.deepEqual(random!.architecture.mixture, { ...wanted, experts: 4, ffnTopK: 1 });
    assert.deepEqual([extra!, copies!, random!].map(parentsText), ['dense x 2 + law', 'law x 8', '']);
  });

  it('is, for an ensemble, what its members have and compute together, on as much held-out text', () => {
    const both = '  both: { ensemble: { members: [dense, law] } }\n';
    const tokens = { 'tokens: 64k': 'tokens: 64k, evaluationTokens: 2k' };
    const { dense, law, both: ensemble } = planned(experimentWith(BRANCH + both, tokens));
    assert.deepEqual(
      ensemble!.parents.map(({ key }) => key),
      [dense!.key, law!.key],
    );
    assert.equal(ensemble!.parameters.active, 2 * dense!.parameters.active);
    assert.equal(ensemble!.flopsPerToken, dense!.flopsPerToken + law!.flopsPerToken);
    assert.deepEqual([ensemble!.train, ensemble!.evaluation.tokens], [undefined, 2000]);
  });
});
