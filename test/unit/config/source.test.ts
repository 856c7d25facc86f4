import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { MAXIMUM_STAGES } from '../../../src/config/meaning';
import { parseExperiment } from '../../../src/config/parse';
import { MAXIMUM_FILE_LENGTH } from '../../../src/config/source';

function mistakesOf(text: string): string[] {
  const { experiment, mistakes } = parseExperiment(text);
  assert.equal(experiment, undefined);
  return mistakes.map((mistake) => formatDiagnostic('x', mistake));
}

describe('text that is no experiment', () => {
  it('says what is wrong with YAML', () => {
    assert.deepEqual(mistakesOf('name: [a\nseed: 1'), [
      'x:2:1 file: expected valid YAML (Flow sequence in block collection must be sufficiently indented and end with a ]), found "seed: 1"',
    ]);
    assert.deepEqual(mistakesOf('model:\n\twidth: 1'), [
      'x:2:1 file: expected spaces for indentation, no tab, found "\\twidth: 1"',
    ]);
    assert.deepEqual(mistakesOf('name: a\nseed: 1\nname: b'), [
      'x:3:1 file: expected a key that is not in its group already, found "name: b"',
    ]);
    assert.deepEqual(mistakesOf('name: a\n---\nname: b'), ['x:2:1 file: expected one YAML document, found "---"']);
    assert.deepEqual(mistakesOf('name: *nobody'), [
      'x:1:7 file: expected the name of an anchor (&name) further up, found *nobody',
    ]);
  });

  it('takes a file with nothing in it, a list, a word and groups left empty for mistakes', () => {
    for (const text of ['', '\n\n', '# only a comment\n', 'null']) {
      assert.deepEqual(mistakesOf(text), [
        'x:1:1 file: expected an experiment: name, model, domains and stages, found an empty file',
      ]);
    }
    assert.deepEqual(mistakesOf('- a\n- b'), ['x:1:1 file: expected a group of keys, found ["a","b"]']);
    assert.deepEqual(mistakesOf('hello'), ['x:1:1 file: expected a group of keys, found "hello"']);
    const hollow = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: {}
stages:`;
    assert.deepEqual(mistakesOf(hollow), [
      'x:3:10 domains: expected at least one domain, found {}',
      'x:4:8 stages: expected a group of named entries, found an empty value',
    ]);
    assert.deepEqual(mistakesOf(`${hollow}\n  a:\n  b: { train: }\n  c: []`).slice(1), [
      'x:5:5 stages.a: expected a group of keys, found an empty value',
      'x:6:15 stages.b.train: expected a group of keys, found an empty value',
      'x:7:6 stages.c: expected a group of keys, found []',
    ]);
  });

  it('refuses aliases that grow without bound', () => {
    const levels = [...'bcdefghi'].map(
      (name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`,
    );
    assert.deepEqual(mistakesOf(['a: &a [x,x,x,x,x,x,x,x,x]', ...levels].join('\n')), [
      'x:1:1 file: expected at most 100 uses of YAML aliases, found more, nested ones counted',
    ]);
  });

  it('points at a value that contains itself', () => {
    assert.ok(mistakesOf('name: &a [*a]').includes('x:1:10 name: expected text, found a value that contains itself'));
  });

  it('names the limit on length, depth and stages', () => {
    assert.deepEqual(mistakesOf('a'.repeat(MAXIMUM_FILE_LENGTH + 1)), [
      'x:1:1 file: expected a file of at most 200000 characters, found 200001 characters',
    ]);
    for (const deep of ['[', '- ', '{a:']) {
      assert.deepEqual(mistakesOf(deep.repeat(MAXIMUM_FILE_LENGTH / deep.length)), [
        'x:1:1 file: expected at most 100 levels of nesting, found more',
      ]);
    }
    const chain = Array.from({ length: MAXIMUM_STAGES + 1 }, (_, i) => `s${i}: { from: s${i + 1} }`).join(', ');
    assert.ok(mistakesOf(`stages: { ${chain} }`).includes('x:1:1 stages: expected at most 1000 stages, found 1001'));
  });
});
