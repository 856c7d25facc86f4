import assert from 'node:assert/strict';
import { parseExperiment } from '../../../src/config/parse';
import { globsOutside, pathsRead } from '../../../src/plan/boundary';

function outside(files: string, tokenizer = 'bytes', model = 'model', more = ''): string[] {
  const text = `name: x
model: { layers: 1, width: 8, heads: 1, ffnHidden: 8, context: 8, tokenizer: ${tokenizer} }
domains: { a: { files: ${files} } }
stages: { seed: { train: { mix: equal, tokens: 100 } }, other: { import: { huggingFace: ${model} } } }
${more}`;
  return globsOutside(pathsRead(parseExperiment(text).experiment!), '/work/space/examples', '/work/space');
}

describe('paths that lead out of the workspace', () => {
  it('finds relative and absolute ones, of corpora and the tokenizer', () => {
    assert.deepEqual(outside('[../../secret/*.txt, /etc/passwd]', '../../t.json'), [
      '../../secret/*.txt',
      '/etc/passwd',
      '../../t.json',
    ]);
  });

  it('finds files of tasks', () => {
    const tasks = (file: string): string => `tasks: { quiz: { file: ${file}, kind: exact-match } }`;
    assert.deepEqual(outside('law/*', 'bytes', 'model', tasks('../../quiz.jsonl')), ['../../quiz.jsonl']);
    assert.deepEqual(outside('law/*', 'bytes', 'model', tasks('../quiz.jsonl')), []);
  });

  it('finds folders of imported checkpoints', () => {
    assert.deepEqual(outside('a.txt', 'bytes', '../../models/llama'), ['../../models/llama']);
  });

  it('lets pass what stays inside, also by a way up, and names that only begin with dots', () => {
    assert.deepEqual(outside('[../corpus/*.txt, "..data/x.txt", /work/space/b.txt]', 'tok.json'), []);
  });

  it('does not take a neighbour with a longer name for the workspace', () => {
    assert.deepEqual(outside('/work/spaceship/*.txt'), ['/work/spaceship/*.txt']);
  });

  it('finds them among any globs, read from a folder', () => {
    const globs = ['../law/*.txt', '!../../secret/*', '/work/space/a', '/work/other'];
    assert.deepEqual(globsOutside(globs, '/work/space/examples', '/work/space'), ['!../../secret/*', '/work/other']);
  });
});
