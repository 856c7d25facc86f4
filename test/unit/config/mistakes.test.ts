import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** Mistakes of a file as a terminal shows them, each checked to end behind its start. */
function mistakesOf(text: string): string[] {
  const { experiment, mistakes } = parseExperiment(text);
  assert.equal(experiment === undefined, mistakes.length > 0, 'an experiment comes of a file without mistakes only');
  for (const { start, end } of mistakes) {
    assert.ok(end.line > start.line || (end.line === start.line && end.column >= start.column));
  }
  return mistakes.map((mistake) => formatDiagnostic('x', mistake));
}

/** A file without mistakes around some stages. */
function withStages(stages: string): string {
  return `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* }, math: { files: math/* } }
stages:
  seed: { train: { tokens: 1k } }
${stages}`;
}

const TWELVE_MISTAKES = `name: twelve
seed: one
model:
  layers: 2
  width: 64
  heads: 5
  context: 32
domains:
  law: { files: law/*.txt, helfOut: 0.2 }
  math: { files: math/*.txt, heldOut: 1.5 }
stages:
  seed: { train: { mix: { lwa: 1 }, tokens: 10 thousand } }
  law: { from: sed, train: { tokens: 1k, flops: 1e9 } }
  math: { from: left, train: { tokens: 1k } }
  left: { from: math, train: { tokens: 1k } }
  bam:
    upcycle: { method: bam, experts: [seed, law], gate: topk-softmax }
  btx:
    upcycle: { method: btx, experts: [seed, law], attention: shared-kv }
`;

describe('mistakes in an experiment file', () => {
  it('reports twelve different mistakes as twelve, each at its place with what stands there and what was expected', () => {
    assert.deepEqual(mistakesOf(TWELVE_MISTAKES), [
      'x:2:7 seed: expected a whole number, found "one"',
      'x:3:1 model.ffnHidden: expected a whole number, found nothing',
      'x:6:10 model.heads: expected a divisor of the width 64, found 5',
      'x:9:28 domains.law.helfOut: expected `heldOut`, found the unknown key "helfOut"',
      'x:10:39 domains.math.heldOut: expected less than 1, found 1.5',
      'x:12:27 stages.seed.train.mix.lwa: expected the domain `law`, found "lwa"',
      'x:12:45 stages.seed.train.tokens: expected a positive count such as 2048, 500k or 1M, found "10 thousand"',
      'x:13:16 stages.law.from: expected the stage `seed`, found "sed"',
      'x:13:42 stages.law.train.flops: expected one budget: tokens, flops or match, found tokens and flops',
      'x:15:17 stages.left.from: expected stages that do not lead back to themselves, found math -> left -> math',
      'x:17:57 stages.bam.upcycle.gate: expected `softmax-topk` when one expert is chosen (a gate over one expert is always 1, ' +
        'so its router never learns), found "topk-softmax"',
      'x:19:51 stages.btx.upcycle.attention: expected no `attention` with btx, which averages it, found "attention"',
    ]);
  });

  it('finds stages of the wrong kind, also behind others', () => {
    const stages = `  built: { from: seed, upcycle: { method: bam, experts: [seed, seed] } }
  mixed: { upcycle: { method: bam, experts: [seed, seed] } }
  more: { from: mixed, train: { tokens: 1k } }
  nested: { upcycle: { method: btx, experts: [seed, more, mixed] } }
  copy: { from: seed, train: { like: mixed } }
  none: { from: seed }
  free: { from: seed, train: {} }
  alone: { from: seed, train: { match: data } }
`;
    assert.deepEqual(mistakesOf(withStages(stages)), [
      'x:6:12 stages.built.from: expected either `from` or `upcycle`, found both',
      'x:9:53 stages.nested.upcycle.experts.1: expected a dense stage, found the mixture "more"',
      'x:9:59 stages.nested.upcycle.experts.2: expected a dense stage, found the mixture "mixed"',
      'x:10:38 stages.copy.train.like: expected a stage that trains, found "mixed", which does not',
      'x:11:3 stages.none: expected `train`, `upcycle` or `ensemble` in the stage, found none of them',
      'x:12:23 stages.free.train: expected a budget: tokens, flops, or like and match, found none',
      'x:13:33 stages.alone.train.match: expected `like` beside `match`, naming the stage to match, found "match"',
    ]);
  });

  it('of ensembles: what they cannot have beside them, members that are not there, and stages that want their checkpoint', () => {
    const stages = `  both: { ensemble: { members: [seed, copy] } }
  copy: { from: seed, train: { tokens: 1k } }
  busy: { from: seed, ensemble: { members: [seed, both, sed], weights: equal }, train: { like: both } }
  next: { from: both, train: { tokens: 1k } }
  alone: { ensemble: { members: [seed] } }
  ring: { ensemble: { members: [seed, ring] } }
`;
    assert.deepEqual(mistakesOf(withStages('  pair: { ensemble: { members: [seed, seed], weights: uniform } }\n')), []);
    assert.deepEqual(mistakesOf(withStages(stages)), [
      'x:8:11 stages.busy.from: expected no `from` beside `ensemble`, which evaluates its members as they are, found "from"',
      'x:8:51 stages.busy.ensemble.members.1: expected a stage with a checkpoint, found the ensemble "both"',
      'x:8:57 stages.busy.ensemble.members.2: expected the stage `seed`, found "sed"',
      'x:8:72 stages.busy.ensemble.weights: expected one of posterior, uniform, found "equal"',
      'x:8:81 stages.busy.train: expected no `train` beside `ensemble`, which evaluates its members as they are, found "train"',
      'x:8:96 stages.busy.train.like: expected a stage that trains, found "both", which does not',
      'x:9:17 stages.next.from: expected a stage with a checkpoint, found the ensemble "both"',
      'x:10:33 stages.alone.ensemble.members: expected at least 2 entries, found ["seed"]',
      'x:11:39 stages.ring.ensemble.members.1: expected a stage with a checkpoint, found the ensemble "ring"',
      'x:11:39 stages.ring.ensemble.members.1: expected stages that do not lead back to themselves, found ring -> ring',
    ]);
  });

  it('finds numbers that do not fit each other', () => {
    const model = (settings: string) =>
      withStages('').replace('heads: 4', settings).replace('tokens: 1k', 'tokens: 1k, batch: 8, accumulate: 3');
    const accumulate = 'x:5:54 stages.seed.train.accumulate: expected a divisor of the batch 8, found 3';
    assert.deepEqual(mistakesOf(model('heads: 4, kvHeads: 3')), [
      'x:2:51 model.kvHeads: expected a divisor of the 4 heads, found 3',
      accumulate,
    ]);
    assert.deepEqual(mistakesOf(model('heads: 32')), [
      'x:2:39 model.heads: expected heads of an even size (width / heads), which rotary positions need, found 32',
      accumulate,
    ]);
    const tooMany = '  bam: { upcycle: { method: bam, experts: [seed, seed], ffnTopK: 3 } }';
    assert.deepEqual(mistakesOf(withStages(tooMany)), [
      'x:6:66 stages.bam.upcycle.ffnTopK: expected at most 2, the number of experts, found 3',
    ]);
  });

  it('says in words what each kind of value should be', () => {
    const train = (settings: string) => mistakesOf(withStages(`  a: { train: { tokens: 1k, ${settings} } }`));
    const at = (place: string, expected: string) => [`x:6:${place}: expected ${expected}`];
    assert.deepEqual(
      train('mix: 5'),
      at('34 stages.a.train.mix', '`equal`, or a weight for each domain such as { law: 0.9, general: 0.1 }, found 5'),
    );
    assert.deepEqual(train('mix: { law: -1 }'), at('41 stages.a.train.mix.law', 'more than 0, found -1'));
    assert.deepEqual(train('mix: {}'), at('34 stages.a.train.mix', 'at least one domain, found {}'));
    assert.deepEqual(train('batch: 1.5'), at('36 stages.a.train.batch', 'a whole number, found 1.5'));
    assert.deepEqual(train('beta2: 1'), at('36 stages.a.train.beta2', 'less than 1, found 1'));
    assert.deepEqual(train('match: all'), [
      'x:6:29 stages.a.train.match: expected one budget: tokens, flops or match, found tokens and match',
      'x:6:29 stages.a.train.match: expected `like` beside `match`, naming the stage to match, found "match"',
      'x:6:36 stages.a.train.match: expected one of data, compute, found "all"',
    ]);
    assert.deepEqual(train('clip: .nan'), at('35 stages.a.train.clip', 'a number, found NaN'));
    assert.deepEqual(train('from: seed'), [
      `x:6:29 stages.a.train.from: expected one of like, match, mix, tokens, flops, batch, accumulate, peakLearningRate, warmup, \
finalLearningRate, weightDecay, beta1, beta2, clip, loadBalance, routerZ, evaluateEvery, evaluationTokens, checkpointEvery, \
keepCheckpoints, found the unknown key "from"`,
    ]);
  });

  it('names the entry of a list, and the list that is too short', () => {
    const files = (value: string) => mistakesOf(withStages('').replace('law/*', value));
    assert.deepEqual(files('4'), ['x:3:26 domains.law.files: expected a glob, or a list of globs, found 4']);
    assert.deepEqual(files('[a, 5]'), ['x:3:30 domains.law.files.1: expected text, found 5']);
    assert.deepEqual(files('[]'), ['x:3:26 domains.law.files: expected at least one entry, found []']);
    assert.deepEqual(mistakesOf(withStages('  bam: { upcycle: { method: bam, experts: [seed] } }')), [
      'x:6:43 stages.bam.upcycle.experts: expected at least 2 entries, found ["seed"]',
    ]);
  });

  it('takes a misspelt key for what it means, so that a slip is one mistake and what stands under it is checked too', () => {
    const text = withStages('  a: { trian: { tokns: 1k, batch: no } }').replace('width', 'widht');
    assert.deepEqual(mistakesOf(text), [
      'x:2:21 model.widht: expected `width`, found the unknown key "widht"',
      'x:6:8 stages.a.trian: expected `train`, found the unknown key "trian"',
      'x:6:17 stages.a.train.tokns: expected `tokens`, found the unknown key "tokns"',
      'x:6:35 stages.a.train.batch: expected a whole number, found "no"',
    ]);
  });

  it('is not misled by names that every JavaScript object has', () => {
    const text = withStages(
      '  constructor: { from: toString, train: { like: valueOf } }\n  __proto__: { from: seed, train: {} }',
    );
    assert.deepEqual(mistakesOf(text), [
      'x:6:24 stages.constructor.from: expected a stage of this file (seed, constructor, __proto__), found "toString"',
      'x:6:49 stages.constructor.train.like: expected a stage of this file (seed, constructor, __proto__), found "valueOf"',
      'x:7:3 stages.__proto__: expected a name of at most 64 letters, digits, dots, dashes and underscores, found "__proto__"',
      'x:7:28 stages.__proto__.train: expected a budget: tokens, flops, or like and match, found none',
    ]);
  });

  it('finds the place of names that YAML reads as numbers, and of values behind an alias', () => {
    const text = withStages('  7: &seven { train: { tokens: -5 } }\n  eight: *seven');
    assert.deepEqual(mistakesOf(text), [
      'x:6:32 stages.7.train.tokens: expected a positive count such as 2048, 500k or 1M, found -5',
      'x:7:3 stages.eight.train.tokens: expected a positive count such as 2048, 500k or 1M, found -5',
    ]);
  });

  it('of tasks: choices where there are none to choose from, none where there should be, a bad name', () => {
    const withTasks = (tasks: string): string => `${withStages('')}tasks:\n${tasks}`;
    assert.deepEqual(mistakesOf(withTasks('  sums: { file: a.jsonl, kind: exact-match, maximum: 5 }\n')), []);
    assert.deepEqual(mistakesOf(withTasks('  a/b: { file: a.jsonl, kind: exact-match, choices: c }\n')), [
      'x:7:3 tasks.a/b: expected a name of at most 64 letters, digits, dots, dashes and underscores, found "a/b"',
      'x:7:44 tasks.a/b.choices: expected no `choices` with exact-match, which lets the model write, found "choices"',
    ]);
    assert.deepEqual(
      mistakesOf(withTasks('  quiz: { file: a.jsonl, kind: multiple-choice }\n  sums: { kind: free }\n')),
      [
        'x:7:3 tasks.quiz: expected `choices`, the field with the list of choices, found nothing',
        'x:8:3 tasks.sums.file: expected text, found nothing',
        'x:8:17 tasks.sums.kind: expected one of exact-match, multiple-choice, found "free"',
      ],
    );
  });
});
