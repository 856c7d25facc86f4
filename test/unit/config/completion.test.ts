import assert from 'node:assert/strict';
import { completionsAt } from '../../../src/config/completion';
import { MAXIMUM_FILE_LENGTH } from '../../../src/config/source';
import { EXPERIMENT, marked } from './marked';

/** What can be typed at the `|` of a text. */
const MOE_PLUS_PLUS = ['zeroComputation', 'gatingResidual'];
const labels = (text: string): string[] => completionsAt(...marked(text)).map(({ label }) => label);

/** The text after one completion is taken, with the snippet's places as they are written. */
function taken(text: string, label: string): string {
  const [plain, offset] = marked(text);
  const completion = completionsAt(plain, offset).find((each) => each.label === label);
  assert.ok(completion, `${label} is not offered`);
  return plain.slice(0, completion.word.start) + completion.insert + plain.slice(completion.word.end);
}

/** The experiment with a line put in place of another. */
const withLine = (line: string, other: string): string => {
  assert.ok(EXPERIMENT.includes(line), `no line ${line}`);
  return EXPERIMENT.replace(line, other);
};

/** Keys of a stage; `slice(0, BEFORE_ENSEMBLE)` are those beside which `train` may stand. */
const STAGE_KEYS = ['from', 'upcycle', 'split', 'prune', 'adapt', 'import', 'ensemble', 'serve', 'train'];
const BEFORE_ENSEMBLE = 6;
const TRAIN_FIRST = ['like', 'match', 'countParents'];

describe('completion of keys', () => {
  it('offers the keys of the place that are not there yet, in the order of the documentation', () => {
    assert.deepEqual(labels(`${EXPERIMENT}|`), ['seed', 'seeds', 'sweep', 'tasks', 'engine', 'launch']);
    assert.deepEqual(labels('|'), [
      'name',
      'seed',
      'seeds',
      'sweep',
      'model',
      'domains',
      'tasks',
      'stages',
      'engine',
      'launch',
    ]);
    assert.deepEqual(labels('model:\n  layers: 2\n  |\n  width: 3\n').slice(0, 3), ['heads', 'kvHeads', 'ffnHidden']);
    assert.deepEqual(labels('domains:\n  law:\n    |'), ['files', 'field', 'prompt', 'answer', 'heldOut']);
    assert.deepEqual(labels('stages:\n  seed:\n    |\n  law:\n    from: seed'), STAGE_KEYS);
    assert.deepEqual(labels('stages:\n  seed:\n    train:\n      |').slice(0, 3), TRAIN_FIRST);
    assert.deepEqual(labels('engine: { | }'), ['backend', 'step']);
  });

  it('works on a line that is not whole, in block style', () => {
    const file = 'model:\n  wid|\n  layers: 2\nstages:\n  seed: { train: { tokens: 1k } }\n';
    assert.ok(labels(file).includes('width') && !labels(file).includes('layers'));
    assert.equal(taken(file, 'width').split('\n')[1], '  width: $0');
    assert.deepEqual(labels(withLine('    from: seed\n', '    fr|\n')), STAGE_KEYS.slice(0, BEFORE_ENSEMBLE));
    assert.deepEqual(labels('stages:\n  law:\n    train:\n      pe|').slice(0, 3), TRAIN_FIRST);
  });

  it('works on a line that is not whole, in flow style', () => {
    const known = [
      'attention',
      'ffnRouting',
      'ffnTopK',
      'attentionTopK',
      'gate',
      'weightScaling',
      ...MOE_PLUS_PLUS,
      'router',
    ];
    for (const rest of ['', ' }', '\n  next: { from: seed }\n', ', experts: [a, b] }']) {
      const text = `stages:\n  bam:\n    upcycle: { method: bam, |${rest}`;
      assert.deepEqual(labels(text).slice(-known.length), known, rest);
      assert.deepEqual(labels(text.replace('|', 'at|')).slice(-known.length), known, rest);
      assert.ok(!labels(text).includes('method'), rest);
    }
    assert.deepEqual(labels('stages: { a: { tr| } }'), STAGE_KEYS);
    assert.deepEqual(labels('stages: { a: { ensemble: {}, | } }'), []);
    assert.deepEqual(labels(`${EXPERIMENT}  all: { ensemble: { members: [|] } }`).slice(0, 2), ['seed', 'law']);
    assert.deepEqual(
      labels(`${EXPERIMENT}  all: { ensemble: { members: [seed, law] } }\n  new: { from: | }`).includes('all'),
      false,
    );
    assert.deepEqual(
      labels('stages:\n  a: {\n    train: { tokens: 1k },\n    |\n  }\n'),
      STAGE_KEYS.slice(0, BEFORE_ENSEMBLE),
    );
  });

  it('brings the shape of the value, or its default', () => {
    assert.equal(taken('mo|', 'model'), 'model:\n  $0');
    assert.equal(taken('stages: { a: { tr| } }', 'train'), 'stages: { a: { train: { $0 } } }');
    assert.equal(taken('stages:\n  a:\n    train:\n      ba|', 'batch').split('\n')[3], '      batch: ${1:16}');
    assert.equal(taken('stages:\n  a:\n    upcycle:\n      ex|', 'experts').split('\n')[3], '      experts: [$0]');
    assert.equal(taken('domains:\n  a:\n    |', 'files').split('\n')[2], '    files: "$0"');
    assert.equal(taken('stages:\n  a:\n    f|oo: x', 'from').split('\n')[2], '    from: x', 'only the key is replaced');
  });

  it('says what a key is, and whether to go on completing its value', () => {
    const at = (text: string, label: string) => completionsAt(...marked(text)).find((each) => each.label === label)!;
    const batch = at('stages: { a: { train: { | } } }', 'batch');
    assert.equal(batch.detail, 'whole number, more than 0; default 16');
    assert.match(batch.documentation, /^Sequences in an optimizer step/);
    assert.equal(batch.goesOn, false);
    assert.equal(at('stages: { a: { | } }', 'from').goesOn, true);
    assert.equal(at('stages: { a: { upcycle: { | } } }', 'experts').goesOn, true);
    assert.equal(at('|', 'model').detail, 'group of keys; required');
    assert.equal(at('model: {|}', 'tiedEmbeddings').detail, 'true | false; default true');
    assert.equal(at('domains: { a: {|} }', 'heldOut').detail, 'number, more than 0, less than 1; default 0.1');
  });

  it('leaves out keys of which the group has an alternative', () => {
    assert.deepEqual(labels('stages:\n  a:\n    from: b\n    |'), ['split', 'prune', 'adapt', 'serve', 'train']);
    assert.deepEqual(labels('stages:\n  a:\n    adapt: {}\n    |'), ['from', 'train']);
    assert.ok(!labels('domains: { a: { prompt: q, | } }').includes('field'));
    const train = labels('stages: { a: { train: { flops: 1e9, | } } }');
    assert.ok(!train.includes('tokens') && !train.includes('match') && train.includes('like'));
  });
});

describe('completion in an upcycling', () => {
  const keys = (upcycle: string): string[] => labels(`stages: { a: { upcycle: { ${upcycle}, | } } }`);

  it('offers what the method knows, and all while there is none', () => {
    assert.deepEqual(keys('method: scratch'), ['copies', 'ffnRouting', 'ffnTopK', 'gate', ...MOE_PLUS_PLUS, 'router']);
    assert.deepEqual(keys('method: btx'), [
      'experts',
      'ffnRouting',
      'ffnTopK',
      'gate',
      'weightScaling',
      ...MOE_PLUS_PLUS,
      'router',
    ]);
    assert.ok(!keys('method: bam').includes('copies'));
    assert.ok(['experts', 'copies', 'attention', 'drop'].every((key) => keys('gate: softmax-topk').includes(key)));
  });

  it('offers the parts that can be frozen', () => {
    const parts = ['experts', 'attention', 'embeddings', 'norms', 'routers'];
    assert.deepEqual(labels('stages: { a: { train: { freeze: [|] } } }'), parts);
  });
});

describe('completion of names', () => {
  it('offers stages where a stage is meant, also where the line is not whole', () => {
    const others = ['seed', 'law', 'both', 'blocks', 'more'];
    for (const from of ['from: |', 'from: l|', 'from: "|"', '{ from: | }', '{ from: |', 'from: x|y # c']) {
      const stage = from.startsWith('{') ? `  new: ${from}\n` : `  new:\n    ${from}\n`;
      assert.deepEqual(labels(`${EXPERIMENT}${stage}`), others, from);
    }
    assert.deepEqual(labels(`${EXPERIMENT}  new:\n    from:\n      s|`), others);
  });

  it('replaces the whole word', () => {
    assert.match(taken(`${EXPERIMENT}  new: { from: s|eex }`, 'seed'), /new: \{ from: seed \}$/);
  });

  it('offers dense stages as experts, in flow and in block style', () => {
    for (const experts of [
      '[|',
      '[seed, |',
      '[seed, la|',
      '[seed, la| ]',
      '[seed, |, law]',
      '[|] # c',
      '[\n          seed,\n          l|\n        ]',
    ]) {
      assert.deepEqual(labels(`${EXPERIMENT}  new:\n    upcycle: { experts: ${experts}`), ['seed', 'law'], experts);
    }
    for (const item of ['- |', '- s|', '- seed\n        - l|']) {
      assert.deepEqual(
        labels(`${EXPERIMENT}  new:\n    upcycle:\n      experts:\n        ${item}`),
        ['seed', 'law'],
        item,
      );
    }
    assert.deepEqual(labels(withLine('experts: [seed, law] }', 'experts: [seed, l|')), ['seed', 'law'], 'more follows');
  });

  it('offers for `like` the stages that train', () => {
    assert.deepEqual(labels(`${EXPERIMENT}  new: { train: { like: | } }`), ['seed', 'law', 'blocks', 'more']);
  });

  it('offers no stage that needs this one', () => {
    assert.deepEqual(labels(withLine('from: seed', 'from: |')), ['seed']);
    assert.deepEqual(labels(EXPERIMENT.replace('seed: { train', 'seed: { from: |, train')), []);
  });

  it('offers the domains that a mix does not have yet, with a weight', () => {
    assert.deepEqual(labels(withLine('{ mix: { law: 1 }', '{ mix: { law: 1, | }')), ['math']);
    assert.deepEqual(labels(withLine('{ mix: { law: 1 }', '{ mix: { la|')), ['law', 'math']);
    const block = withLine('        math: 0.1\n', '        m|\n');
    assert.deepEqual(labels(block), ['math']);
    assert.match(taken(block, 'math'), /\n {8}math: \$\{1:1\}\n/);
    assert.match(taken(withLine('math: 0.1', 'ma|: 0.1'), 'math'), /\n {8}math: 0\.1\n/);
  });

  it('quotes names that YAML would take for something else', () => {
    const text = 'domains: { "1": { files: x } }\nstages:\n  "true": { train: { tokens: 1 } }\n';
    assert.match(taken(`${text}  b: { from: | }`, 'true'), /from: "true" \}$/);
    assert.match(taken(`${text}  b: { train: { mix: { | } } }`, '1'), /mix: \{ "1": \$\{1:1\} \}/);
  });
});

describe('completion of values', () => {
  const stage = (text: string) => labels(`stages:\n  a:\n    ${text}`);

  it('offers the words of an enumeration', () => {
    assert.deepEqual(stage('upcycle: { method: |'), ['bam', 'btx', 'sparse', 'drop', 'scratch']);
    assert.deepEqual(stage('upcycle: { method: b| }'), ['bam', 'btx', 'sparse', 'drop', 'scratch']);
    assert.deepEqual(stage('upcycle:\n      attention: kv|'), ['kv-experts', 'shared-kv']);
    assert.deepEqual(stage('upcycle:\n      gate: |'), ['softmax-topk', 'topk-softmax']);
    assert.deepEqual(stage('train: { match: | }'), ['data', 'compute']);
    assert.deepEqual(labels('engine: { backend: | }'), ['auto', 'native', 'wasm']);
    assert.deepEqual(labels('model:\n  tiedEmbeddings: |\n  width: 1'), ['true', 'false']);
    assert.match(taken('model: { tiedEmbeddings: t| }', 'true'), /: true \}$/, 'a truth value has no quotes');
  });

  it('offers `equal` and a mix of all domains', () => {
    const text = EXPERIMENT.replace('mix: { law: 1 }', 'mix: |');
    assert.deepEqual(labels(text), ['equal', '{ law: 1, math: 1 }']);
    assert.match(taken(text, '{ law: 1, math: 1 }'), /mix: \{ law: \$\{1:1\}, math: \$\{2:1\} \}, tokens/);
    assert.deepEqual(stage('train: { mix: | }'), ['equal']);
  });

  it('offers a group or a list where a key wants one', () => {
    assert.equal(taken('engine: |', '{ … }'), 'engine: { $0 }');
    assert.match(taken('stages: { a: { upcycle: { experts: | } } }', '[…]'), /experts: \[\$0\] \}/);
  });
});

describe('completion elsewhere', () => {
  it('offers nothing in a comment, behind a number, in free text, at a new name and in what the file may not have', () => {
    for (const text of [
      'name: |',
      'model: { layers: | }',
      '# mo|',
      'name: x # |',
      'stages:\n  |',
      'domains: { | }',
      'other:\n  |',
      'model: { tokenizer: by|tes }',
      'stages:\n  - |',
    ]) {
      assert.deepEqual(labels(text), [], text);
    }
  });

  it('offers nothing, at once, in a file that is too long or too deep', () => {
    assert.deepEqual(completionsAt('['.repeat(10_000), 5000), []);
    assert.deepEqual(completionsAt(`${'# a\n'.repeat(MAXIMUM_FILE_LENGTH / 4)}\n`, MAXIMUM_FILE_LENGTH + 1), []);
  });

  it('never throws, wherever the cursor is and wherever the file ends', () => {
    for (let end = 0; end <= EXPERIMENT.length; end += 3) {
      completionsAt(EXPERIMENT.slice(0, end), end);
      completionsAt(EXPERIMENT, end);
    }
  });
});

describe('completion in a sweep', () => {
  const stages = '\nstages:\n  a: { train: { tokens: 1k } }\n  b: { upcycle: { method: bam, experts: [a, a] } }\n';

  it('offers the paths of keys that can be swept and are not yet', () => {
    const all = labels(`sweep:\n  stages.a.train.batch: [1]\n  |${stages}`);
    for (const path of ['stages.a.train.loadBalance', 'stages.b.upcycle.method', 'model.width']) {
      assert.ok(all.includes(path), path);
    }
    for (const path of ['stages.a.train.batch', 'stages.b.train.batch', 'model.tokenizer']) {
      assert.ok(!all.includes(path), path);
    }
    const ensemble = `${stages}  c: { ensemble: { members: [a, b] } }\n`;
    assert.ok(labels(`sweep:\n  |${ensemble}`).includes('stages.c.ensemble.weights'));
    assert.equal(
      taken(`sweep:\n  stages.a.train.cl|${stages}`, 'stages.a.train.clip').split('\n')[1],
      '  stages.a.train.clip: [$0]',
    );
  });

  it('offers the values of the key that is swept', () => {
    assert.deepEqual(labels(`sweep:\n  stages.b.upcycle.method: [|]${stages}`), [
      'bam',
      'btx',
      'sparse',
      'drop',
      'scratch',
    ]);
    assert.deepEqual(labels(`sweep:\n  stages.b.upcycle.experts: [[a, |]]${stages}`), ['a']);
  });
});
