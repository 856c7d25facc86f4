import assert from 'node:assert/strict';
import { closestName, describeValue } from '../../../src/config/diagnostics';
import { parseQuantity } from '../../../src/config/quantity';
import { parseExperiment } from '../../../src/config/parse';
import { applySettings } from '../../../src/config/settings';

describe('counts with units', () => {
  it('reads decimal units in any case, and powers of ten', () => {
    const written = [2048, '2048', '500k', '1.5M', '25b', '25G', '2T', '1e15', '1.5e3k', ' 7 ', '1p', '2e'];
    const counts = [2048, 2048, 5e5, 1.5e6, 2.5e10, 2.5e10, 2e12, 1e15, 1.5e6, 7, 1e15, 2e18];
    assert.deepEqual(written.map(parseQuantity), counts);
  });

  it('refuses what is no positive count', () => {
    for (const value of [0, -1, 0.4, NaN, Infinity, '', 'k', '1kk', '1 000', '-5k', '0x10', '1e999', null, [1], true]) {
      assert.equal(parseQuantity(value), undefined, String(value));
    }
  });
});

describe('words of a diagnostic', () => {
  it('suggests the closest name, and none for a word that is like nothing', () => {
    const known = ['width', 'heads', 'kvHeads', 'ffnHidden'];
    assert.equal(closestName('widht', known), 'width');
    assert.equal(closestName('kvheads', known), 'kvHeads');
    assert.equal(closestName('ffnHiden', known), 'ffnHidden');
    assert.equal(closestName('depth', known), undefined);
  });

  it('shows a value in one short line', () => {
    assert.equal(describeValue(undefined), 'nothing');
    assert.equal(describeValue(null), 'an empty value');
    assert.equal(describeValue(Infinity), 'Infinity');
    assert.equal(describeValue({ a: 1 }), '{"a":1}');
    assert.equal(describeValue('x'.repeat(100)).length, 60);
  });
});

describe('--set', () => {
  const text = `# mine
name: a # kept
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
`;

  it('replaces a value in its place, and leaves the rest of the file as it was', () => {
    assert.equal(applySettings(text, []), text);
    assert.equal(
      applySettings(text, ['stages.seed.train.tokens=2M', 'name=b c']),
      text.replace('1k', '"2M"').replace('a #', '"b c" #'),
    );
  });

  it('adds what is not in the file yet', () => {
    const { experiment } = parseExperiment(applySettings(text, ['seed=2', 'stages.seed.train.mix={ law: 1 }']));
    assert.equal(experiment?.seed, 2);
    assert.deepEqual(experiment?.stages.seed?.train?.mix, { law: 1 });
  });

  it('says which setting cannot be used', () => {
    assert.throws(() => applySettings(text, ['seed']), { reason: 'bad-setting', message: /path=value, found "seed"/ });
    assert.throws(() => applySettings(text, ['name.first=b']), {
      reason: 'bad-setting',
      message: /--set name.first=b: name.first/,
    });
  });
});
