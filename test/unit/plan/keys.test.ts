import assert from 'node:assert/strict';
import { experimentWith, inputsFor, planned } from './experiment';

const STAGES = `  dense: { train: { mix: { general: 1 }, tokens: 64k } }
  law: { from: dense, train: { mix: { law: 3, general: 1 }, tokens: 32k } }
  bam: { upcycle: { method: bam, experts: [dense, law] }, train: { tokens: 16k, evaluateEvery: 50, keepCheckpoints: 3 } }
`;

function keys(replace: Record<string, string> = {}, fingerprints: Record<string, string> = {}): string[] {
  const experiment = experimentWith(STAGES, replace);
  return Object.values(planned(experiment, inputsFor(experiment, fingerprints))).map(({ key }) => key);
}

/** Which of the stages dense, law and bam get another key. */
function changed(replace: Record<string, string>, fingerprints: Record<string, string> = {}): string[] {
  const [before, after] = [keys(), keys(replace, fingerprints)];
  return ['dense', 'law', 'bam'].filter((_, i) => before[i] !== after[i]);
}

describe('key of a stage', () => {
  it('is another for every stage, and the same every time', () => {
    assert.equal(new Set(keys()).size, 3);
    assert.deepEqual(keys(), keys());
    for (const key of keys()) assert.match(key, /^[0-9a-f]{20}$/);
  });

  it('stays from version to version of the program, until a result changes (RESULT_VERSION)', () => {
    assert.deepEqual(keys(), ['3effb3b3912ed5436fa9', '377237a33d69dd395ed3', '789c4ab8c233c1312a41']);
  });

  it('stays where no number can change', () => {
    assert.deepEqual(changed({ 'name: x': 'name: another' }), []);
    assert.deepEqual(changed({ dense: 'seed-model', 'law: { from': 'lawyer: { from', ', law]': ', lawyer]' }), []);
    assert.deepEqual(changed({ 'evaluateEvery: 50': 'evaluateEvery: 7' }), []);
    assert.deepEqual(changed({ 'keepCheckpoints: 3': 'keepCheckpoints: 9, checkpointEvery: 5' }), []);
    assert.deepEqual(changed({ 'tokens: 16k': 'tokens: 16000' }), []);
    assert.deepEqual(changed({ 'mix: { law: 3, general: 1 }': 'mix: { general: 0.25, law: 0.75 }' }), []);
    assert.deepEqual(
      changed({ 'tokens: 16k': 'tokens: 16k, batch: 16, mix: equal' }),
      [],
      'a default that is written out',
    );
    assert.deepEqual(changed({ '[dense, law]': '[dense, law], ffnRouting: top-k' }), []);
    assert.deepEqual(changed({ 'stages:': 'engine: { backend: wasm }\nstages:' }), []);
    assert.deepEqual(changed({ 'stages:': 'tasks: { sums: { file: a.jsonl, kind: exact-match } }\nstages:' }), []);
  });

  it('changes with the seed, the model and every domain that is evaluated', () => {
    const all = ['dense', 'law', 'bam'];
    assert.deepEqual(changed({ 'seed: 1': 'seed: 2' }), all);
    assert.deepEqual(changed({ 'ffnHidden: 64': 'ffnHidden: 96' }), all);
    assert.deepEqual(changed({ 'ffnHidden: 64': 'ffnHidden: 64, ropeBase: 500000' }), all);
    assert.deepEqual(changed({}, { law: 'another content' }), all);
  });

  it('changes with its own training and with that of a parent, and so down the graph', () => {
    assert.deepEqual(changed({ 'law: 3, general: 1': 'law: 4, general: 1' }), ['law', 'bam']);
    assert.deepEqual(changed({ 'tokens: 64k': 'tokens: 96k' }), ['dense', 'law', 'bam']);
    assert.deepEqual(changed({ 'tokens: 16k': 'tokens: 16k, routerZ: 0.1' }), ['bam']);
    assert.deepEqual(changed({ 'tokens: 16k': 'tokens: 16k, peakLearningRate: 3e-4' }), ['bam']);
    assert.deepEqual(changed({ 'tokens: 16k': 'tokens: 16k, evaluationTokens: 1k' }), ['bam']);
  });

  it('changes with the experts, their order and how they are joined', () => {
    assert.deepEqual(changed({ '[dense, law]': '[law, dense]' }), ['bam']);
    assert.deepEqual(changed({ '[dense, law]': '[dense, law, law]' }), ['bam']);
    assert.deepEqual(changed({ '[dense, law]': '[dense, law], attention: shared-kv' }), ['bam']);
    assert.deepEqual(changed({ '[dense, law]': '[dense, law], ffnTopK: 2' }), ['bam']);
    for (const routing of ['ffnRouting: soft', 'attentionTopK: 2', 'router: { normalizeLogits: 1 }']) {
      assert.deepEqual(changed({ '[dense, law]': `[dense, law], ${routing}` }), ['bam'], routing);
    }
    assert.deepEqual(changed({ 'method: bam': 'method: btx' }), ['bam']);
  });

  it('is of mixtures of one parent one for settings that say the same', () => {
    const keyOf = (upcycle: string): string =>
      planned(experimentWith(`${STAGES}  copies: { upcycle: { ${upcycle}, copies: 4 } }`)).copies!.key;
    const drop = 'method: drop, experts: [law]';
    const alike = [drop, `${drop}, drop: {}`, `${drop}, drop: { indices: per-matrix, ratio: 0.5 }`];
    assert.equal(new Set(alike.map(keyOf)).size, 1);
    const others = [
      'method: sparse, experts: [law]',
      'method: sparse, experts: [dense]',
      'method: scratch',
      drop,
      `${drop}, drop: { ratio: 0.25 }`,
      `${drop}, drop: { indices: shared }`,
    ];
    assert.equal(new Set(others.map(keyOf)).size, others.length);
  });

  it('changes with routers and scaling, but not where they are as they would be anyway', () => {
    const experts = '[dense, law]';
    for (const same of ['weightScaling: false', 'router: {}', 'router: { init: normal, deviation: 0.02 }']) {
      assert.deepEqual(changed({ [experts]: `${experts}, ${same}` }), [], same);
    }
    for (const other of [
      'weightScaling: true',
      'router: { init: zero }',
      'router: { deviation: 0.01 }',
      'router: { init: centroid }',
    ]) {
      assert.deepEqual(changed({ [experts]: `${experts}, ${other}` }), ['bam'], other);
    }
  });

  it('changes with the parts that are frozen, in whatever order', () => {
    const frozen = (parts: string): Record<string, string> => ({ 'tokens: 16k': `tokens: 16k, freeze: [${parts}]` });
    assert.deepEqual(changed(frozen('')), []);
    assert.deepEqual(changed(frozen('norms')), ['bam']);
    assert.deepEqual(keys(frozen('norms, experts')), keys(frozen('experts, norms, experts')));
    assert.notDeepEqual(keys(frozen('experts')), keys(frozen('attention')));
  });

  it('stays as earlier versions had it, so that their results are found', () => {
    // A new RESULT_VERSION changes these; nothing else may.
    assert.deepEqual(keys(), ['3effb3b3912ed5436fa9', '377237a33d69dd395ed3', '789c4ab8c233c1312a41']);
  });

  it('of an ensemble depends on its members, their order and the weights', () => {
    const key = (stage: string): string => planned(experimentWith(`${STAGES}  all: { ${stage} }\n`)).all!.key;
    const first = key('ensemble: { members: [dense, law] }');
    assert.equal(key('ensemble: { members: [dense, law], weights: posterior }'), first);
    const others = ['[dense, law], weights: uniform', '[law, dense]', '[dense, law, bam]'];
    const keys = others.map((other) => key(`ensemble: { members: ${other} }`));
    assert.equal(new Set([first, ...keys, key('from: law, train: { tokens: 1k }')]).size, 5);
  });
});

describe('recipe of a stage', () => {
  const recipes = (replace: Record<string, string> = {}, fingerprints: Record<string, string> = {}) => {
    const experiment = experimentWith(STAGES, replace);
    return Object.values(planned(experiment, inputsFor(experiment, fingerprints))).map(({ recipe }) => recipe);
  };

  it('stays with another seed, also that of a parent, and is another for every stage', () => {
    assert.equal(new Set(recipes()).size, 3);
    assert.deepEqual(recipes({ 'seed: 1': 'seed: 2' }), recipes());
  });

  it('changes with all else that changes a key, down the graph', () => {
    for (const [replace, fingerprints, same] of [
      [{ 'ffnHidden: 64': 'ffnHidden: 96' }, {}, 0],
      [{}, { law: 'another content' }, 0],
      [{ 'law: 3, general: 1': 'law: 4, general: 1' }, {}, 1],
      [{ 'tokens: 16k': 'tokens: 16k, routerZ: 0.1' }, {}, 2],
    ] as const) {
      const others = recipes(replace, fingerprints);
      assert.equal(recipes().filter((recipe, i) => recipe === others[i]).length, same);
    }
  });
});
