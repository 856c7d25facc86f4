import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** What is wrong with a stage `p` that serves, in a file with a mixture of 4 experts in 2 layers. */
function mistakesOf(stage: string, more = ''): string[] {
  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 64 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 4, ffnTopK: 2 } }
  tuned: { from: moe, train: { tokens: 1k } }
  few: { from: moe, prune: { method: random, keep: 2 } }
  soft: { upcycle: { method: btx, experts: [seed, seed], ffnRouting: soft } }
  both: { ensemble: { members: [seed, moe] } }
${more}  p: ${stage}
`;
  return parseExperiment(text).mistakes.map((mistake) => {
    return formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ stages\.p\./, '');
  });
}

describe('a stage that serves', () => {
  const served = (keys: string, from = 'tuned'): string => `{ from: ${from}, serve: { ${keys} } }`;

  it('takes a mixture, and numbers that fit each other', () => {
    for (const keys of [
      'budget: 0.4',
      'budget: 1, policies: [lru, lfu, on-demand, hobbit], high: int8, low: none, t1: 0.5, t2: 0.5, prefetch: 0',
      'budget: 0.2, high: float16, low: int8, link: 3G, texts: 1, prompt: 60, tokens: 4',
    ]) {
      assert.deepEqual(mistakesOf(served(keys)), [], keys);
    }
  });

  it('has nothing beside it, and no stage starts from it', () => {
    assert.deepEqual(mistakesOf('{ from: moe, serve: { budget: 0.5 }, train: { tokens: 1k } }'), [
      'train: expected no `train` beside `serve`, which measures the stage in `from` as it is, found "train"',
    ]);
    assert.deepEqual(mistakesOf('{ serve: { budget: 0.5 } }'), [
      'serve: expected `from` beside `serve`, naming a mixture, found none',
    ]);
    assert.deepEqual(mistakesOf('{ from: s, train: { tokens: 1k } }', '  s: { from: moe, serve: { budget: 0.5 } }\n'), [
      'from: expected a stage with a checkpoint, found "s", which serves another',
    ]);
  });

  it('needs a mixture whose tokens have some experts', () => {
    assert.deepEqual(mistakesOf(served('budget: 0.5', 'seed')), [
      'from: expected a mixture, whose experts can stay on the disk, found "seed"',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.5', 'both')), [
      'from: expected a stage with a checkpoint, found the ensemble "both"',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.9', 'soft')), [
      'from: expected a mixture whose tokens have some experts (soft routing has all), found "soft"',
    ]);
  });

  it('has room for an expert of each precision', () => {
    assert.deepEqual(mistakesOf(served('budget: 0.1')), [
      'serve.budget: expected at least 0.14, room for one expert of each precision of 8, found 0.1',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.125, low: none')), []);
    assert.deepEqual(mistakesOf(served('budget: 0.2, low: none', 'few')), [
      'serve.budget: expected at least 0.25, room for one expert of 4, found 0.2',
    ]);
    assert.match(mistakesOf(served('budget: 0'))[0]!, /^serve\.budget: expected more than 0, found 0/);
  });

  it('knows precisions and policies, the low one lower, and thresholds in order', () => {
    assert.deepEqual(mistakesOf(served('budget: 0.5, high: int8, low: int8')), [
      'serve.low: expected `int4` or `none`, lower than `int8`, found int8',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.5, high: int4')), [
      'serve: expected `low` `none`, lower than `int4`, found int4',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.5, t1: 0.9, t2: 0.6')), [
      'serve.t2: expected at least t1, 0.9, found 0.6',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.5, policies: [fifo]')), [
      'serve.policies.0: expected one of hobbit, lru, lfu, on-demand, found "fifo"',
    ]);
    assert.deepEqual(mistakesOf(served('budget: 0.5, prompt: 60')), [
      'serve: expected `tokens` with `prompt` at most the 64 tokens of a sequence (`model.context`), found 60 + 32',
    ]);
  });
});
