import assert from 'node:assert/strict';
import { servedExpertNames } from '../../../src/plan/served-names';
import { experimentWith, planned } from './experiment';

describe('the names of the experts of a stage', () => {
  const stages = planned(
    experimentWith(`  seed: { train: { tokens: 64k } }
  law: { from: seed, train: { mix: { law: 1 }, tokens: 32k } }
  bam: { upcycle: { method: bam, experts: [seed, law] }, train: { tokens: 16k } }
  tuned: { from: bam, train: { tokens: 16k } }
  less: { from: tuned, prune: { method: random, keep: 1 } }
`),
  );
  const namesOf = (name: string): string[] | undefined => servedExpertNames({ stages: Object.values(stages) }, name);

  it('are those of the parents, also where the mixture was trained on or pruned', () => {
    assert.deepEqual(namesOf('bam'), ['seed', 'law']);
    assert.deepEqual(namesOf('tuned'), ['seed', 'law']);
    assert.deepEqual(namesOf('less'), ['seed', 'law']);
  });

  it('are none for dense stages and unknown ones', () => {
    assert.equal(namesOf('law'), undefined);
    assert.equal(namesOf('other'), undefined);
  });
});
