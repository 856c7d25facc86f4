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
      'x:19:51 stages.btx.upcycle.attention: expected no `attention` with btx: only bam has attention experts, found "attention"',
    ]);
  });

  it('wants the shape of the model unless every stage starts from an import, and one start for a stage', () => {
    const imported = `name: x
model: { context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { import: { huggingFace: models/llama } }
  law: { from: seed, train: { tokens: 1k } }
`;
    assert.deepEqual(mistakesOf(imported), []);
    const shape = ['layers', 'width', 'heads', 'ffnHidden'];
    assert.deepEqual(
      mistakesOf(`${imported}  fresh: { train: { tokens: 1k } }\n`),
      shape.map((key) => `x:2:1 model.${key}: expected a whole number, found nothing`),
    );
    const scratch = `${imported}  fresh: { upcycle: { method: scratch, copies: 2 } }\n`;
    assert.equal(mistakesOf(scratch).length, shape.length);
    assert.deepEqual(mistakesOf(`${imported}  both: { from: law, import: { huggingFace: a, paralelize: true } }\n`), [
      'x:7:22 stages.both.import: expected one of `from`, `upcycle` and `import`, found more than one',
      'x:7:48 stages.both.import.paralelize: expected `parallelize`, found the unknown key "paralelize"',
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
      'x:11:3 stages.none: expected `train`, `upcycle`, `split`, `prune`, `adapt`, `import`, `ensemble` or `serve` in the stage, found none of them',
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
  other: { import: { huggingFace: model }, ensemble: { members: [seed, copy] } }
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
      'x:12:12 stages.other.import: expected no `import` beside `ensemble`, which evaluates its members as they are, found "import"',
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

  it('knows which settings of routers fit each other', () => {
    const upcycle = (settings: string) =>
      mistakesOf(withStages(`  bam: { upcycle: { experts: [seed, seed], ${settings} } }`)).map((mistake) =>
        mistake.replace(/^x:6:\d+ stages\.bam\.upcycle\./, ''),
      );
    const oneChosen =
      'gate: expected `softmax-topk` when one expert is chosen (a gate over one expert is always 1, so its router never ' +
      'learns), found "topk-softmax"';
    for (const [settings, ...expected] of [
      ['method: bam, ffnRouting: soft'],
      ['method: bam, attentionTopK: 2, ffnTopK: 2, gate: topk-softmax, router: { normalizeLogits: 1 }'],
      ['method: bam, attentionTopK: 2, ffnRouting: soft, gate: topk-softmax'],
      ['method: btx, ffnRouting: sample-top-1, router: { noise: 0.01 }'],
      ['method: bam, ffnRouting: sample-top-1, attentionTopK: 2, gate: topk-softmax', oneChosen],
      ['method: bam, attentionTopK: 3', 'attentionTopK: expected at most 2, the number of experts, found 3'],
      ['method: bam, attentionTopK: 1, ffnTopK: 2, gate: topk-softmax', oneChosen],
      ['method: bam, attentionTopK: 2, gate: topk-softmax', oneChosen],
      ['method: bam, attentionTopK: 1, ffnRouting: soft, gate: topk-softmax', oneChosen],
      [
        'method: btx, attentionTopK: 2',
        'attentionTopK: expected no `attentionTopK` with btx: only bam has attention experts, found "attentionTopK"',
      ],
      [
        'method: btx, ffnRouting: soft, ffnTopK: 2',
        'ffnTopK: expected no `ffnTopK` with `ffnRouting: soft`, found "ffnTopK"',
      ],
      [
        'method: btx, ffnRouting: soft, router: { balanceBias: 1e-3 }',
        'router.balanceBias: expected no bias that balances choices with `ffnRouting: soft`, found "balanceBias"',
      ],
      [
        'method: btx, ffnRouting: sample-top-1, weightScaling: true',
        'weightScaling: expected `ffnRouting: top-k` beside it (only there the gates add up to about ffnTopK / experts at first), found true',
      ],
      [
        'method: btx, ffnRouting: soft, gate: topk-softmax',
        'gate: expected `softmax-topk` when all experts are used (their probabilities sum to 1 anyway), found "topk-softmax"',
      ],
    ] as const) {
      assert.deepEqual(upcycle(settings), expected, settings);
    }
  });

  it('finds what a method lacks, and what it does not know', () => {
    const stages = `  a: { upcycle: { method: bam, copies: 3, drop: { ratio: 0.1 } } }
  b: { upcycle: { method: sparse, experts: [seed, seed] } }
  c: { upcycle: { method: drop, copies: 1, attention: shared-kv } }
  d: { upcycle: { method: scratch, experts: [seed], copies: 4, ffnTopK: 5 } }
  e: { upcycle: { method: drop, experts: [], copies: 2, drop: { ratio: 2, indices: own } } }
  f: { upcycle: { method: sparse, experts: [a], copies: 2 } }
`;
    assert.deepEqual(mistakesOf(withStages(stages)), [
      'x:6:8 stages.a.upcycle.experts: expected a list of at least 2 stages, found nothing',
      'x:6:32 stages.a.upcycle.copies: expected no `copies` with bam: every expert is listed in `experts`, found "copies"',
      'x:6:43 stages.a.upcycle.drop: expected no `drop` with bam: only drop draws units anew, found "drop"',
      'x:7:8 stages.b.upcycle.copies: expected with sparse the number of its experts, found nothing',
      'x:7:44 stages.b.upcycle.experts: expected one entry, the stage that is copied, found ["seed","seed"]',
      'x:8:8 stages.c.upcycle.experts: expected the stage that is copied, in a list, found nothing',
      'x:8:41 stages.c.upcycle.copies: expected at least 2, found 1',
      'x:8:44 stages.c.upcycle.attention: expected no `attention` with drop: only bam has attention experts, found "attention"',
      'x:9:36 stages.d.upcycle.experts: expected no `experts` with scratch: its experts are random, found "experts"',
      'x:9:73 stages.d.upcycle.ffnTopK: expected at most 4, the number of experts, found 5',
      'x:10:42 stages.e.upcycle.experts: expected at least one entry, found []',
      'x:10:72 stages.e.upcycle.drop.ratio: expected at most 1, found 2',
      'x:10:84 stages.e.upcycle.drop.indices: expected one of per-matrix, shared, found "own"',
      'x:11:45 stages.f.upcycle.experts.0: expected a dense stage, found the mixture "a"',
    ]);
    const right = `  a: { upcycle: { method: btx, experts: [seed, seed, seed] } }
  b: { upcycle: { method: sparse, experts: [seed], copies: 8, ffnTopK: 8 } }
  c: { upcycle: { method: drop, experts: [seed], copies: 2 } }
  d: { upcycle: { method: scratch, copies: 2 }, train: { tokens: 1k } }
`;
    assert.deepEqual(mistakesOf(withStages(right)), []);
  });

  it('finds routers that cannot start as they should, and weights that need no scaling', () => {
    const stages = `  law: { from: seed, train: { mix: { law: 9, math: 1 }, tokens: 1k } }
  same: { from: seed, train: { like: law, tokens: 2k } }
  math: { from: seed, train: { like: law, mix: { math: 1 } } }
  a: { upcycle: { method: btx, experts: [law, math], router: { init: zero, deviation: 0.1 } } }
  b: { upcycle: { method: sparse, experts: [law], copies: 2, router: { init: centroid } } }
  c: { upcycle: { method: bam, experts: [seed, law, same], router: { init: centroid } } }
  d: { upcycle: { method: bam, experts: [math, math], router: { init: centroid } } }
  e: { upcycle: { method: bam, experts: [law, math], ffnTopK: 2, gate: topk-softmax, weightScaling: true } }
  f: { upcycle: { method: scratch, copies: 2, weightScaling: true, router: { deviation: 0 } } }
`;
    assert.deepEqual(mistakesOf(withStages(stages)), [
      'x:9:76 stages.a.upcycle.router.deviation: expected no `deviation` where rows are zero, found "deviation"',
      'x:10:78 stages.b.upcycle.router.init: expected `normal` or `zero` with experts that have no domains of their own, found "centroid"',
      'x:11:76 stages.c.upcycle.router.init: expected with `centroid`, experts that trained mostly on different domains, ' +
        'found law for law and for same',
      'x:12:71 stages.d.upcycle.router.init: expected with `centroid`, experts that trained mostly on different domains, ' +
        'found math for math and for math',
      'x:13:101 stages.e.upcycle.weightScaling: expected `gate: softmax-topk` beside it (the gates of topk-softmax add up to 1 already), ' +
        'found true',
      'x:14:47 stages.f.upcycle.weightScaling: expected no `weightScaling` with scratch: random experts have no size to keep, ' +
        'found "weightScaling"',
      'x:14:89 stages.f.upcycle.router.deviation: expected more than 0, found 0',
    ]);
    const right = stages.split('\n').slice(0, 3).join('\n');
    assert.deepEqual(
      mistakesOf(
        withStages(`${right}
  a: { upcycle: { method: bam, experts: [seed, law, math], router: { init: centroid, deviation: 0.1 }, weightScaling: true } }
  b: { upcycle: { method: scratch, copies: 2, router: { init: zero } } }
`),
      ),
      [],
    );
  });

  it('finds parents that cannot be counted', () => {
    const count = 'match: compute, countParents: true';
    const stages = (last: string) => `  law: { from: seed, train: { tokens: 1k } }
  other: { from: seed, train: { tokens: 1k } }
  btx: { upcycle: { method: btx, experts: [seed, law] }, train: { tokens: 1k } }
  ${last}
`;
    const mistakes = (last: string) => mistakesOf(withStages(stages(last)));
    const at = (column: number, expected: string) => [
      `x:9:${column} stages.a.train.countParents: expected ${expected}`,
    ];
    for (const settings of ['like: btx, match: data', 'like: btx', 'tokens: 1k']) {
      assert.deepEqual(
        mistakes(`a: { from: seed, train: { ${settings}, countParents: true } }`),
        at(31 + settings.length, '`match: compute` beside `countParents`, found "countParents"'),
      );
    }
    const none = (like: string) => `parents of "${like}" that train and that this stage does not come from, found none`;
    assert.deepEqual(mistakes(`a: { from: law, train: { like: btx, ${count} } }`), at(55, none('btx')));
    assert.deepEqual(mistakes(`a: { train: { like: seed, ${count} } }`), at(45, none('seed')));
    assert.deepEqual(
      mistakes(`a: { upcycle: { method: bam, experts: [seed, other] }, train: { like: btx, ${count} } }`),
      at(
        94,
        'a stage that starts only from what "btx" comes from: parents of its own would not be counted, found "other"',
      ),
    );
    assert.deepEqual(mistakes(`a: { from: seed, train: { like: btx, ${count} } }`), []);
    assert.deepEqual(mistakes(`a: { from: law, train: { like: btx, countParents: false } }`), []);
    assert.deepEqual(mistakes(`a: { from: law, train: { like: nix, ${count} } }`), [
      'x:9:34 stages.a.train.like: expected a stage of this file (seed, law, other, btx, a), found "nix"',
    ]);
  });

  it('finds parts that cannot stay as they are', () => {
    const stages = `  mixture: { upcycle: { method: btx, experts: [seed, seed] } }
  a: { from: mixture, train: { tokens: 1k, freeze: [experts, attention, embeddings, norms, routers] } }
  b: { from: seed, train: { tokens: 1k, freeze: [attention, experts, routers] } }
  c: { from: seed, train: { tokens: 1k, freeze: [head] } }
  right: { from: mixture, train: { tokens: 1k, freeze: [experts, routers] } }
  like: { from: seed, train: { like: right } }
`;
    assert.deepEqual(mistakesOf(withStages(stages)), [
      'x:7:52 stages.a.train.freeze: expected a part that is left to train, ' +
        'found ["experts","attention","embeddings","norms","routers"]',
      'x:8:61 stages.b.train.freeze.1: expected a part of a dense model, found "experts"',
      'x:8:70 stages.b.train.freeze.2: expected a part of a dense model, found "routers"',
      'x:9:50 stages.c.train.freeze.0: expected one of experts, attention, embeddings, norms, routers, found "head"',
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
      `x:6:29 stages.a.train.from: expected one of like, match, countParents, mix, tokens, flops, batch, accumulate, peakLearningRate, warmup, \
finalLearningRate, weightDecay, beta1, beta2, clip, loadBalance, routerZ, freeze, distill, evaluateEvery, evaluationTokens, \
checkpointEvery, keepCheckpoints, found the unknown key "from"`,
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
