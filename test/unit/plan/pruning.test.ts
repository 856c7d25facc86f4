import assert from 'node:assert/strict';
import { countParameters, forwardFlops } from '../../../src/architecture/counts';
import type { PlannedStage } from '../../../src/plan/plan';
import { experimentWith, planned } from './experiment';

const STAGES = `  seed: { train: { tokens: 64k } }
  moe: { upcycle: { method: sparse, experts: [seed], copies: 4 }, train: { tokens: 16k } }
  tuned: { from: moe, train: { tokens: 16k } }
`;
/** Of one expert: gate, up and down. */
const EXPERT = 3 * 32 * 64;

function plannedWith(prune: string, more = ''): Record<string, PlannedStage> {
  return planned(experimentWith(`${STAGES}  p: { from: tuned, prune: { ${prune} } }\n${more}`));
}

describe('plan of a stage that prunes', () => {
  it('counts the experts that stay, whichever they are', () => {
    const { tuned, p } = plannedWith('method: random, keep: 3, routing: masked');
    assert.equal(p!.parameters.total, tuned!.parameters.total - 2 * EXPERT);
    assert.equal(p!.parameters.active, tuned!.parameters.active);
    assert.equal(p!.flopsPerToken, tuned!.flopsPerToken);
    const pruned = { experts: [[0], [2]], routing: 'masked' as const };
    const chosen = { ...p!.architecture, mixture: { ...p!.architecture.mixture!, pruned } };
    assert.deepEqual(countParameters(chosen), p!.parameters);
    assert.deepEqual(forwardFlops(chosen), forwardFlops(p!.architecture));
  });

  it('takes tokens that nobody computes for none, as many as there are experts missing', () => {
    const { tuned, p } = plannedWith('method: random, share: 0.5');
    // Two layers, half of the tokens of each, two FLOPs a weight.
    assert.equal(p!.flopsPerToken, tuned!.flopsPerToken - 2 * 0.5 * 2 * EXPERT);
    assert.equal(p!.prune!.keep, 2);
    const soft = `${STAGES.replace('copies: 4', 'copies: 4, ffnRouting: soft')}  p: { from: tuned, prune: { method: random, keep: 3 } }`;
    const { tuned: all, p: less } = planned(experimentWith(soft));
    assert.equal(less!.flopsPerToken, all!.flopsPerToken - 2 * 2 * EXPERT);
    assert.equal(less!.parameters.active, all!.parameters.active - 2 * EXPERT);
  });

  it('has the earlier stage of router-norm as a second parent, for no other method', () => {
    const parents = (prune: string) => plannedWith(prune).p!.parents.map(({ name }) => name);
    assert.deepEqual(parents('method: router-norm, since: moe, keep: 2'), ['tuned', 'moe']);
    assert.deepEqual(parents('method: random, since: moe, keep: 2'), ['tuned']);
  });

  it('goes down to what starts from there, and can be repeated', () => {
    const { p, grown, twice } = plannedWith(
      'method: usage, keep: 3',
      `  grown: { from: p, train: { tokens: 16k } }
  twice: { from: grown, prune: { method: usage, share: 0.34 } }
`,
    );
    assert.deepEqual(grown!.architecture, p!.architecture);
    assert.equal(twice!.prune!.keep, 1);
    assert.equal(twice!.parameters.total, p!.parameters.total - 2 * 2 * EXPERT);
  });

  it('has another key for all that changes what it computes, and the same for what does not', () => {
    const key = (prune: string): string => plannedWith(prune).p!.key;
    const alike = (...prunes: string[]): void => void assert.equal(new Set(prunes.map(key)).size, 1, prunes.join('; '));
    alike(
      'method: random, keep: 2',
      'method: random, share: 0.5',
      'method: random, keep: 2, routing: zero, scope: layer',
    );
    alike('method: random, keep: 2', 'method: random, keep: 2, since: moe, tokens: 1k');
    alike('method: usage, keep: 2', 'method: usage, keep: 2, tokens: 8192');
    alike('method: similarity, keep: 2', 'method: similarity, keep: 2, similarity: outputs, routing: masked');
    const other = [
      ...['random, keep: 2', 'random, keep: 3', 'random, keep: 2, routing: masked', 'random, keep: 2, scope: global'],
      ...['usage, keep: 2', 'usage, keep: 2, tokens: 1k', 'activation, keep: 2', 'router-norm, keep: 2, since: moe'],
      ...['similarity, keep: 2', 'similarity, keep: 2, similarity: weights'],
    ];
    assert.equal(new Set(other.map((prune) => key(`method: ${prune}`))).size, other.length);
  });
});
