import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';

/** What is wrong with a file whose mixture has these keys beside its experts. */
function mistakesOf(keys: string, more = ''): string[] {
  const text = `name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* } }
stages:
  seed: { train: { tokens: 1k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 4, ${keys} } }
${more}`;
  return parseExperiment(text).mistakes.map((mistake) => {
    return formatDiagnostic('x', mistake).replace(/^x:\d+:\d+ stages\./, '');
  });
}

describe('zero-computation experts and gating residuals in a file', () => {
  it('stand beside every top-k routing', () => {
    for (const keys of [
      'zeroComputation: {}',
      'ffnTopK: 2, zeroComputation: { zero: 0, copy: 3, constant: 0, tau: 1, capacity: 1.1 }, gatingResidual: true',
      'ffnTopK: 2, gate: topk-softmax, zeroComputation: {}, router: { noise: 0.1, normalizeLogits: 1 }',
      'gatingResidual: true, router: { balanceBias: 0.1 }, weightScaling: true',
      'gatingResidual: false, ffnRouting: soft',
    ]) {
      assert.deepEqual(mistakesOf(keys), [], keys);
    }
  });

  it('stand beside nothing that they cannot do', () => {
    const one = (keys: string): string => {
      const mistakes = mistakesOf(keys);
      assert.equal(mistakes.length, 1, mistakes.join('; '));
      return mistakes[0]!;
    };
    assert.match(one('ffnRouting: soft, zeroComputation: {}'), /zeroComputation: expected no `zeroComputation` with/);
    assert.match(one('ffnRouting: sample-top-1, gatingResidual: true'), /gatingResidual: expected no `gatingResidual`/);
    assert.match(one('gatingResidual: true, router: { normalizeLogits: 1 }'), /no `normalizeLogits`/);
    assert.match(one('zeroComputation: {}, router: { balanceBias: 0.1 }'), /no `balanceBias`/);
    assert.ok(mistakesOf('zeroComputation: {}, router: { init: centroid }').some((text) => text.includes('no domain')));
    assert.match(one('zeroComputation: {}, weightScaling: true'), /no `weightScaling`/);
    assert.match(one('zeroComputation: { zero: 0, copy: 0, constant: 0 }'), /at least one expert/);
  });

  it('have counts and weights that make sense', () => {
    for (const keys of ['tau: 0', 'tau: 1.5', 'capacity: 0', 'copy: -1', 'constant: 0.5', 'other: 1']) {
      assert.equal(mistakesOf(`zeroComputation: { ${keys} }`).length, 1, keys);
    }
  });

  it('stand in a mixture that is pruned as in others', () => {
    const prune = (keys: string): string => `  p: { from: moe, prune: { method: random, ${keys} } }\n`;
    const others = 'ffnTopK: 2, zeroComputation: {}, gatingResidual: true';
    assert.deepEqual(mistakesOf(others, prune('keep: 2')), []);
    assert.deepEqual(mistakesOf(others, prune('keep: 3, scope: global, routing: masked')), []);
    assert.match(mistakesOf(others, prune('keep: 5'))[0]!, /at most 4, the experts that there are/);
    assert.match(mistakesOf(others, prune('keep: 1'))[0]!, /at least 2 experts/);
  });
});
