import assert from 'node:assert/strict';
import { subjectAt } from '../../../src/config/documentation';
import { definitionOf, nameAt, placesOf, renamable, renameEdits } from '../../../src/config/names';
import { outlineOf } from '../../../src/config/outline';
import { parseExperiment } from '../../../src/config/parse';
import { EXPERIMENT, marked } from './marked';

/** The experiment with the cursor within one of its lines, where `|` is. */
function at(line: string): [string, number] {
  const [plain] = marked(line);
  assert.equal(EXPERIMENT.split(plain).length, 2, `${plain} stands once`);
  return marked(EXPERIMENT.replace(plain, line));
}

/** Line and column, from 1, of every place of the name at the cursor. */
function placesAt(line: string): string[] {
  const [text, offset] = at(line);
  const outline = outlineOf(text);
  const place = nameAt(outline, offset);
  assert.ok(place, `no name at ${line}`);
  return placesOf(outline, place).map(({ span, role }) => `${position(text, span.start)} ${role}`);
}

function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n');
  return `${lines.length}:${lines.at(-1)!.length + 1}`;
}

function renamed(line: string, name: string): string {
  const [text, offset] = at(line);
  return renameEdits(text, offset, name).reduceRight(
    (changed, { span, text: replacement }) => changed.slice(0, span.start) + replacement + changed.slice(span.end),
    text,
  );
}

describe('names in an experiment file', () => {
  it('are found wherever a stage is meant', () => {
    const seed = ['9:3 definition', '11:11 reference', '13:13 reference', '18:39 reference', '23:11 reference'];
    for (const line of ['  |seed: { train', 'from: se|ed', 'like: seed|\n', 'experts: [s|eed', '- "see|d"']) {
      assert.deepEqual(placesAt(line), seed, line);
    }
  });

  it('are told apart where a stage and a domain have the same name', () => {
    assert.deepEqual(placesAt('l|aw: { files'), ['4:3 definition', '9:27 reference', '15:9 reference']);
    const stage = ['10:3 definition', '18:45 reference', '24:11 reference', '25:20 reference'];
    assert.deepEqual(placesAt('l|aw:\n    from'), stage);
    assert.deepEqual(placesAt('        - la|w'), stage);
  });

  it('are nothing else: no other key, value or comment', () => {
    for (const line of [
      'na|me: small',
      'name: sm|all',
      '# what is l|aw',
      'files: la|w/*',
      'method: b|am',
      'mi|x: { law',
    ]) {
      const [text, offset] = at(line);
      assert.equal(nameAt(outlineOf(text), offset), undefined, line);
    }
  });

  it('lead to their definition, if there is one', () => {
    const [text, offset] = at('from: bo|th');
    const outline = outlineOf(text);
    const definition = definitionOf(outline, nameAt(outline, offset)!)!;
    assert.equal(position(text, definition.span.start), '17:3');
    const [broken, there] = marked('stages:\n  a: { from: |none }');
    assert.equal(definitionOf(outlineOf(broken), nameAt(outlineOf(broken), there)!), undefined);
  });

  it('are found in what can be read of a broken file', () => {
    const [text, offset] = marked('stages:\n  a: { train: { tokens: 1k\n  b: { from: |a }\n  c: { from: a');
    const outline = outlineOf(text);
    assert.equal(placesOf(outline, nameAt(outline, offset)!).length, 3);
  });
});

describe('renaming', () => {
  it('changes every place, and the file stays an experiment', () => {
    const changed = renamed('from: se|ed', 'start');
    assert.deepEqual(parseExperiment(changed).mistakes, []);
    assert.ok(!/\bseed\b/.test(changed));
    assert.equal(changed.match(/\bstart\b/g)!.length, 5);
  });

  it('changes a stage that is listed twice in both places', () => {
    const [text, offset] = marked(
      'stages:\n  o|ne: { train: { tokens: 1k } }\n  two: { upcycle: { experts: [one, one] } }',
    );
    assert.equal(renameEdits(text, offset, 'first').length, 3);
  });

  it('leaves a domain alone that has the name of the stage', () => {
    const changed = renamed('        - la|w', 'statutes');
    assert.deepEqual(parseExperiment(changed).mistakes, []);
    assert.ok(changed.includes('law: { files') && changed.includes('  statutes:\n    from: seed'));
    assert.deepEqual(parseExperiment(renamed('l|aw: { files', 'statutes')).mistakes, []);
  });

  it('quotes a name that YAML would read as something else', () => {
    for (const name of ['1', 'true', 'null', '1e3']) {
      const changed = renamed('  |seed: { train', name);
      assert.deepEqual(parseExperiment(changed).mistakes, [], name);
      assert.ok(Object.hasOwn(parseExperiment(changed).experiment!.stages, name));
    }
  });

  it('refuses names that cannot be, or are taken; the same name changes nothing', () => {
    for (const name of ['', 'a b', '../x', '-x', 'x'.repeat(65), 'ä']) {
      assert.throws(() => renamed('from: se|ed', name), { reason: 'bad-name' }, name);
    }
    assert.throws(() => renamed('from: se|ed', 'law'), { reason: 'name-taken', message: /stage "law"/ });
    assert.equal(renamed('from: se|ed', 'seed'), EXPERIMENT);
    assert.ok(renamed('from: se|ed', 'math').includes('  math: { train'), 'a domain may have the same name');
  });

  it('refuses where nothing can be renamed, a name is nowhere defined, or places may be overlooked', () => {
    assert.throws(() => renamable(...at('na|me: small')), { reason: 'nothing-to-rename' });
    assert.throws(() => renamable(...marked('stages: { a: { from: n|one } }')), { reason: 'unknown-name' });
    assert.throws(() => renamable(...marked('stages: { a: { from: b }, |b: {')), { reason: 'broken-file' });
  });
});

describe('what there is to say', () => {
  const markdown = (line: string): string => {
    const subject = subjectAt(...at(line));
    assert.equal(subject?.kind, 'key', line);
    return subject.kind === 'key' ? subject.markdown : '';
  };

  it('about a key: its kind of value, default and meaning', () => {
    assert.equal(
      markdown('tok|ens: 1k } }\n  law'),
      '**tokens**: count such as 2048, 500k or 1M\n\nHow many tokens to train on, e.g. 500k.',
    );
    assert.match(markdown('na|me: small'), /^\*\*name\*\*: text; required\n\nWhat this experiment/);
    const [text, offset] = marked('stages: { a: { train: { war|mup: 0 } } }');
    const warmup = subjectAt(text, offset);
    assert.ok(
      warmup?.kind === 'key' && warmup.markdown.startsWith('**warmup**: number, at least 0, at most 1; default 0.05'),
    );
    assert.deepEqual([warmup.span.start, warmup.span.end], [text.indexOf('warmup'), text.indexOf(':', offset)]);
  });

  it('about a value, by the key that it belongs to', () => {
    assert.match(markdown('method: b|am'), /^\*\*method\*\*: bam \\\| btx \\\| .*; required/);
    assert.match(markdown('- math/|*.txt'), /^\*\*files\*\*/);
  });

  it('about a stage or a domain, by its name', () => {
    const subjects = ['experts: [se|ed', 'ma|th: 0.1', 'bo|th:\n'].map((line) => {
      const subject = subjectAt(...at(line));
      return subject && subject.kind !== 'key' ? `${subject.kind} ${subject.name} ${subject.role}` : undefined;
    });
    assert.deepEqual(subjects, ['stage seed reference', 'domain math reference', 'stage both definition']);
  });

  it('but not about a comment, an unknown key or empty space', () => {
    for (const text of ['# na|me: x', 'model: { spam|: 1 }', 'name: x\n|\n'])
      assert.equal(subjectAt(...marked(text)), undefined);
  });
});

describe('names in a sweep', () => {
  const FILE = `sweep:
  "stages.bam.train.batch": [8, 16]
  stages.bam.upcycle.experts: [[seed, law], [law, seed]]
  stages.law.train.mix: [equal, { law: 1 }]
  stages.law.train.like: [seed]
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
  law: { from: seed, train: { tokens: 1k } }
  bam: { upcycle: { method: bam, experts: [seed, law] }, train: { tokens: 1k } }
`;
  const renamed = (at: string, name: string): string[] => {
    const edits = renameEdits(FILE, FILE.indexOf(at), name).toReversed();
    const text = edits.reduce((t, edit) => t.slice(0, edit.span.start) + edit.text + t.slice(edit.span.end), FILE);
    return text.split('\n').slice(1, 6);
  };

  it('are renamed in paths of keys, without quotes of their own, and in values', () => {
    assert.equal(renamed('bam: {', '1')[0], '  "stages.1.train.batch": [8, 16]');
    const law = renamed('law: { from', 'lawyer');
    assert.deepEqual(law.slice(1), [
      '  stages.bam.upcycle.experts: [[seed, lawyer], [lawyer, seed]]',
      '  stages.lawyer.train.mix: [equal, { law: 1 }]',
      '  stages.lawyer.train.like: [seed]',
      'domains: { law: { files: law/* } }',
    ]);
    assert.equal(renamed('seed: {', 'base')[3], '  stages.law.train.like: [base]');
    assert.equal(renamed('law: { files', 'legal')[2], '  stages.law.train.mix: [equal, { legal: 1 }]');
  });
});
