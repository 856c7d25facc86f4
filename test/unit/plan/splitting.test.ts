import assert from 'node:assert/strict';
import type { Architecture } from '../../../src/architecture/architecture';
import { forwardFlops, trainingFlops } from '../../../src/architecture/counts';
import { parameterSpecs } from '../../../src/architecture/parameters';
import { stageFacts } from '../../../src/plan/facts';
import { neededBy, withAncestors } from '../../../src/plan/graph';
import { checkImports, type FoundImport } from '../../../src/plan/imports';
import type { Plan } from '../../../src/plan/plan';
import { planVariants } from '../../../src/plan/variants';
import { experimentWith, inputsFor, planned } from './experiment';

const STAGES = `  dense: { train: { tokens: 64k } }
  other: { train: { tokens: 32k } }
  hash: { from: dense, split: { experts: 4, width: 16, shared: 8 }, train: { tokens: 16k } }
  learnt: { from: dense, split: { experts: 4, width: 16, shared: 8, routing: learnt }, train: { like: hash } }
  narrow: { from: dense, split: { experts: 1, width: 16, shared: 0 } }
  taught: { from: hash, train: { like: hash, distill: { teacher: other, weight: 2 } } }
  same: { from: hash, train: { like: taught, match: compute } }
`;

function stages(replace: Record<string, string> = {}) {
  return planned(experimentWith(STAGES, replace));
}

describe('a plan with a split', () => {
  const { dense, hash, learnt, narrow } = stages();

  it('has experts of their own width, with a router or with a seed of tables', () => {
    assert.equal(hash!.architecture.ffnHidden, 16);
    const { hashSeed, ...mixture } = hash!.architecture.mixture!;
    const common = { experts: 4, ffnTopK: 1, gate: 'softmax-topk', attention: 'averaged' };
    assert.deepEqual(mixture, { ...common, ffnRouting: 'hash' });
    assert.equal(typeof hashSeed, 'number');
    assert.deepEqual(learnt!.architecture.mixture, common);
    assert.deepEqual(narrow!.architecture, { ...dense!.architecture, ffnHidden: 16 });
  });

  it('counts a narrow FFN for each token, and a router only where there is one', () => {
    const routers = 2 * 32 * 4; // a layer: parameters, and half of the FLOPs
    assert.equal(hash!.parameters.active, narrow!.parameters.total);
    assert.equal(hash!.flopsPerToken, narrow!.flopsPerToken);
    assert.equal(learnt!.flopsPerToken - hash!.flopsPerToken, 2 * routers);
    assert.equal(learnt!.parameters.total - hash!.parameters.total, 2 * 32 * 4);
    assert.equal(hash!.parameters.total - narrow!.parameters.total, 3 * 2 * 3 * 32 * 16);
    assert.ok(!parameterSpecs(hash!.architecture).some(({ role }) => role === 'router'));
    assert.equal(forwardFlops(hash!.architecture).routers, 0);
  });

  it('has keys that follow what changes the result', () => {
    const changed = (from: string, to: string): boolean => stages({ [from]: to }).hash!.key !== hash!.key;
    assert.ok(changed('width: 16, shared: 8 }, train', 'width: 16, shared: 4 }, train'));
    assert.ok(changed('shared: 8 }, train: { tokens', 'shared: 8, importance: inverse }, train: { tokens'));
    assert.ok(changed('shared: 8 }, train: { tokens', 'shared: 8, tokens: 2k }, train: { tokens'));
    assert.ok(!changed('shared: 8 }, train: { tokens', 'shared: 8, routing: hash }, train: { tokens'), 'a default');
    const random = (tokens: string) =>
      stages({ 'shared: 8 }, train: { tokens': `shared: 8, importance: random${tokens} }, train: { tokens` }).hash!.key;
    assert.equal(random(''), random(', tokens: 2k'), 'chance reads no text');
  });

  it('says so in its facts', () => {
    assert.deepEqual(stageFacts(hash!, {})[0], [
      'split into',
      '4 experts of 16 neurons, 8 shared, by gradient; hash routing',
    ]);
  });
});

describe('shapes that do not fit', () => {
  const problems = (stages: string, imports: Record<string, Partial<Architecture>> = {}): string[] => {
    const experiment = experimentWith(stages);
    const { dense } = inputsFor(experiment);
    const found = Object.entries(imports).map(([name, changes]) => {
      const planned = { huggingFace: 'model', parallelize: false, model: 'M', fingerprint: '' };
      return [name, { planned, architecture: { ...dense!, ...changes } } as FoundImport] as const;
    });
    return checkImports(experiment, new Map(found), dense, 257).map(
      ({ path, error }) => `${path.slice(1).join('.')}: ${error.message}`,
    );
  };
  const SEED = '  dense: { train: { tokens: 64k } }\n  theirs: { import: { huggingFace: model } }\n';

  it('are experts of which one was made narrower', () => {
    const stages = `${SEED}  narrow: { from: dense, split: { experts: 1, width: 16, shared: 0 } }
  btx: { upcycle: { method: btx, experts: [dense, narrow] } }\n`;
    assert.deepEqual(problems(stages), [
      'btx.upcycle.experts.1: dense and narrow have different shapes: ffnHidden 64 and 16.',
    ]);
  });

  it('are splits of an imported model with too few neurons', () => {
    const stages = `${SEED}  s: { from: theirs, split: { experts: 2, width: 48, shared: 32 } }\n`;
    assert.deepEqual(problems(stages, { theirs: { ffnHidden: 64 } }), []);
    assert.match(
      problems(stages, { theirs: { ffnHidden: 60 } })[0]!,
      /^s\.split\.width: .* 60 hidden neurons .* is 64/,
    );
  });

  it('are teachers of another width, number of layers or tokens, where that matters', () => {
    const taught = (layers: string): string =>
      `${SEED}  t: { from: dense, train: { tokens: 1k, distill: { teacher: theirs, layers: ${layers} } } }
  like: { from: dense, train: { like: t } }\n`;
    const wide = { theirs: { width: 64 } };
    assert.deepEqual(problems(taught('all'), wide), [
      't.train.distill.teacher: t has width 32, its teacher theirs has 64.',
      'like.train.distill.teacher: like has width 32, its teacher theirs has 64.',
    ]);
    assert.equal(problems(taught('last'), wide).length, 2);
    assert.deepEqual(problems(taught('none'), wide), []);
    assert.equal(problems(taught('all'), { theirs: { layers: 3 } }).length, 2);
    assert.deepEqual(problems(taught('last'), { theirs: { layers: 3 } }), []);
    assert.match(problems(taught('none'), { theirs: { vocabulary: 300 } })[0]!, /vocabulary 257, .* has 300/);
  });
});

describe('a plan with a teacher', () => {
  it('needs it, counts its forward pass, and has its key', () => {
    const { other, taught, hash, same } = stages();
    assert.deepEqual(taught!.parents, [{ name: 'hash', key: hash!.key }]);
    assert.deepEqual(taught!.teacher, { name: 'other', key: other!.key });
    assert.deepEqual(taught!.train!.distill, { weight: 2, layers: 'all' });
    const perToken = trainingFlops(taught!.architecture) + other!.flopsPerToken;
    assert.equal(taught!.train!.flops, taught!.train!.tokens * perToken);
    assert.deepEqual(same!.teacher, taught!.teacher, '`like` brings the teacher');
    assert.equal(same!.train!.steps, taught!.train!.steps);
    assert.equal(hash!.train!.distill, undefined);
    const again = stages({ 'tokens: 32k': 'tokens: 48k' });
    assert.notEqual(again.taught!.key, taught!.key);
    assert.equal(again.hash!.key, hash!.key);
    assert.notEqual(stages({ 'weight: 2': 'weight: 3' }).taught!.key, taught!.key);
    const facts = Object.fromEntries(stageFacts(taught!, {}));
    assert.equal(facts['learns from'], 'other, predictions and all layers (weight 2)');
  });

  it('runs the teacher first, in every variant its own', () => {
    const experiment = experimentWith(STAGES, { 'seed: 1': 'seeds: [1, 2]' });
    const all = planVariants(experiment, inputsFor(experiment));
    const names = (wanted: string): string[] =>
      withAncestors({ stages: all } as Plan, [wanted]).map(({ name }) => name);
    assert.deepEqual(names('taught@seed=2'), ['dense@seed=2', 'other@seed=2', 'hash@seed=2', 'taught@seed=2']);
    const taught = all.find(({ name }) => name === 'taught@seed=2')!;
    assert.deepEqual(
      neededBy(taught).map(({ name }) => name),
      ['hash@seed=2', 'other@seed=2'],
    );
    const seedOf = (name: string) => all.find((stage) => stage.name === name)!.architecture.mixture!.hashSeed;
    assert.notEqual(seedOf('hash@seed=1'), seedOf('hash@seed=2'));
  });
});
