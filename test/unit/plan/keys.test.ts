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
    assert.deepEqual(changed({ 'method: bam': 'method: btx' }), ['bam']);
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
