import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** What is wrong with a stage `p` that prunes, in a file with mixtures of 4 and of 6 experts, a dense stage and an ensemble. */
function mistakesOf(stage: string, more = ''): string[] {
  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 4, ffnTopK: 2 } }
  tuned: { from: moe, train: { tokens: 1k } }
  six: { upcycle: { method: sparse, experts: [seed], copies: 6 } }
  balanced: { upcycle: { method: sparse, experts: [seed], copies: 4, router: { balanceBias: 0.1 } } }
  normal: { upcycle: { method: sparse, experts: [seed], copies: 4, router: { normalizeLogits: 1 } } }
  both: { ensemble: { members: [seed, moe] } }
  hashed: { from: seed, split: { experts: 4, width: 16, shared: 4 } }
  learnt: { from: seed, split: { experts: 4, width: 16, shared: 4, routing: learnt } }
  adapted: { from: moe, adapt: { method: molora, experts: 2, rank: 2 }, train: { tokens: 1k } }
${more}  p: ${stage}
`;
  return parseExperiment(text).mistakes.map((mistake) => {
    return formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ stages\.p\./, '');
  });
}

describe('a stage that prunes', () => {
  const pruned = (keys: string, from = 'tuned'): string => `{ from: ${from}, prune: { ${keys} } }`;

  it('takes every method with what it needs', () => {
    for (const keys of [
      'method: router-norm, since: moe, keep: 2',
      'method: router-norm, since: moe, share: 0.75, scope: global, routing: masked',
      'method: similarity, keep: 3',
      'method: similarity, similarity: weights, share: 0.5, routing: masked',
      'method: usage, keep: 2, tokens: 4k',
      'method: activation, keep: 4',
      'method: random, keep: 3',
      'method: random, keep: 3, since: moe, tokens: 1k',
    ]) {
      assert.deepEqual(mistakesOf(pruned(keys)), [], keys);
    }
    assert.deepEqual(mistakesOf('{ from: tuned, prune: { method: random, keep: 2 }, train: { tokens: 1k } }'), []);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 1', 'six')), []);
  });

  it('needs a mixture, and nothing else to start from', () => {
    assert.deepEqual(mistakesOf('{ prune: { method: random, keep: 2 } }'), [
      'prune: expected `from` beside `prune`, naming a mixture, found none',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 2', 'seed')), [
      'from: expected a mixture, whose experts can be pruned, found "seed"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 2', 'both')), [
      'from: expected a stage with a checkpoint, found the ensemble "both"',
    ]);
    assert.deepEqual(
      mistakesOf('{ upcycle: { method: scratch, copies: 4 }, prune: { method: random, keep: 2 } }').map((text) =>
        text.replace(/,.*/, ''),
      ),
      ['upcycle: expected no `upcycle` beside `prune`', 'prune: expected `from` beside `prune`'],
    );
  });

  it('prunes mixtures that a dense stage was split into, where they have routers, and none with adapters', () => {
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2', 'learnt')), []);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 5', 'learnt')), [
      'prune.keep: expected at most 4, the experts that there are, found 5',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2', 'hashed')), [
      'from: expected a mixture with routers (hash routing has none), found "hashed"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2', 'adapted')), [
      'from: expected a stage without adapters, found "adapted"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2, since: hashed', 'learnt')), [
      'prune.since: expected a mixture with routers, found "hashed"',
    ]);
  });

  it('says how many experts stay, once, and as many as the router chooses', () => {
    assert.deepEqual(mistakesOf(pruned('method: random')), ['prune: expected `keep` or `share` in it, found neither']);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 2, share: 0.5')), [
      'prune.share: expected either `keep` or `share`, found both',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 5')), [
      'prune.keep: expected at most 4, the experts that there are, found 5',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 1')), [
      'prune.keep: expected at least 2 experts, as many as a token is sent to (`ffnTopK`), found 1',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: random, share: 0.3')), [
      'prune.share: expected at least 2 experts, as many as a token is sent to (`ffnTopK`), found 1 of 4 experts',
    ]);
    const again = '  less: { from: six, prune: { method: random, keep: 3 } }\n';
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 4', 'less'), again), [
      'prune.keep: expected at most 3, the experts that there are, found 4',
    ]);
  });

  it('has router-norm compare with another stage of as many experts', () => {
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2')), [
      'prune: expected `since` in it, an earlier stage of this mixture (router-norm is the change since then), found none',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2, since: tuned')), [
      'prune.since: expected a stage before the one in `from` (nothing changes between a stage and itself), found "tuned"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2, since: six')), [
      'prune.since: expected a mixture of 4 experts, as in `from`, found one of 6',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2, since: seed')), [
      'prune.since: expected a mixture, found "seed"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: router-norm, keep: 2, since: meo')), [
      'prune.since: expected the stage `moe`, found "meo"',
    ]);
    assert.equal(mistakesOf(pruned('method: router-norm, keep: 2, since: p')).length > 0, true, 'a cycle');
  });

  it('refuses what cannot be done', () => {
    assert.deepEqual(mistakesOf(pruned('method: similarity, keep: 2, routing: zero')), [
      'prune.routing: expected `masked` with similarity (a merged expert takes its group’s tokens), found "zero"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: similarity, keep: 2, scope: global')), [
      'prune.scope: expected `layer` with similarity (each layer is grouped by itself), found "global"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2, similarity: weights')), [
      'prune.similarity: expected no `similarity` with usage, found "similarity"',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2', 'balanced')), [
      'prune: expected a mixture without `router.balanceBias`, which would go on for removed experts, found one with it',
    ]);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2', 'normal')), []);
    assert.deepEqual(mistakesOf(pruned('method: usage, keep: 2, routing: masked', 'normal')), [
      'prune: expected `routing: zero` where logits are normalised over all experts (`router.normalizeLogits`), found `masked`',
    ]);
    const merged = '  merged: { from: six, prune: { method: similarity, keep: 3 } }\n';
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 2', 'merged'), merged), [
      'prune: expected `masked`, as in the pruned stage that it starts from, found `zero`',
    ]);
    const uneven = '  uneven: { from: six, prune: { method: random, keep: 3, scope: global } }\n';
    assert.deepEqual(mistakesOf(pruned('method: random, keep: 2', 'uneven'), uneven), [
      'prune: expected `scope: global` where layers have different numbers of experts already, found none',
    ]);
  });
});
