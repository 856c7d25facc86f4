import assert from 'node:assert/strict';
import { columnNames, computingColumns } from '../../../src/base/router-words';
import { type NamedExperts, namedExperts } from '../../../src/plan/expert-names';
import { planStages } from '../../../src/plan/graph';
import { planVariants } from '../../../src/plan/variants';
import { experimentWith, inputsFor } from './experiment';

const STAGES = `  dense: { train: { tokens: 64k } }
  law: { from: dense, train: { tokens: 16k } }
  bam: { upcycle: { method: bam, experts: [dense, law, dense] }, train: { tokens: 16k } }
  copies: { upcycle: { method: sparse, experts: [law], copies: 3 } }
  random: { upcycle: { method: scratch, copies: 3 }, train: { tokens: 16k } }
  split: { from: dense, split: { experts: 2, width: 32, shared: 8 } }
  plus: { upcycle: { method: btx, experts: [dense, law], ffnTopK: 2, zeroComputation: { zero: 1, copy: 1, constant: 2 } }, train: { tokens: 16k } }
  more: { from: plus, train: { tokens: 16k } }
  adapted: { from: more, adapt: { method: mov, experts: 4 }, train: { tokens: 16k } }
  mov: { from: dense, adapt: { method: mov, experts: 4 }, train: { tokens: 16k } }
  tuned: { from: bam, train: { tokens: 16k } }
  pruned: { from: tuned, prune: { method: router-norm, since: bam, keep: 2 } }
  after: { from: pruned, train: { tokens: 16k } }
  halves: { from: split, train: { tokens: 16k } }
  both: { ensemble: { members: [bam, plus] } }
`;
const PLUS = ['dense', 'law', 'constant 1', 'constant 2', 'copy', 'zero'];

describe('names of experts', () => {
  const stages = planStages(experimentWith(STAGES), inputsFor(experimentWith(STAGES)));
  const of = (stage: string): NamedExperts => namedExperts({ stages }, stage);

  it('are those of their parents, equal ones with a number, and of what zero-computation experts do', () => {
    assert.deepEqual(of('bam'), { experts: ['dense', 'law', 'dense 2'], zeroComputation: 0 });
    assert.deepEqual(of('copies').experts, ['law', 'law 2', 'law 3']);
    assert.deepEqual(of('plus'), { experts: PLUS, zeroComputation: 4 });
  });

  it('stay in the stages that go on from a mixture, adapt it or prune it', () => {
    for (const stage of ['more', 'adapted']) assert.deepEqual(of(stage), { experts: PLUS, zeroComputation: 4 });
    for (const stage of ['tuned', 'pruned', 'after']) assert.deepEqual(of(stage).experts, of('bam').experts, stage);
  });

  it('are left out where there are no experts, or random ones, or those of a split', () => {
    for (const stage of ['dense', 'mov', 'random', 'split', 'halves', 'both', 'gone']) {
      assert.deepEqual(of(stage), { experts: [], zeroComputation: 0 }, stage);
    }
    assert.deepEqual(namedExperts(undefined, 'bam').experts, []);
    const others = 'zeroComputation: { zero: 0, copy: 2, constant: 0 }';
    const random = experimentWith(
      `  random: { upcycle: { method: scratch, copies: 2, ${others} }, train: { tokens: 16k } }\n`,
    );
    const plan = { stages: planStages(random, inputsFor(random)) };
    assert.deepEqual(namedExperts(plan, 'random').experts, ['0', '1', 'copy 1', 'copy 2']);
  });

  it('are those of the file in every variant', () => {
    const experiment = experimentWith(STAGES, { 'seed: 1': 'seeds: [1, 2]' });
    const plan = { stages: planVariants(experiment, inputsFor(experiment)) };
    assert.deepEqual(namedExperts(plan, 'after@seed=2').experts, ['dense', 'law', 'dense 2']);
  });

  it('are for FFN and attention routers; experts of adapters have numbers', () => {
    assert.deepEqual(columnNames('ffn', PLUS, 6), PLUS);
    assert.deepEqual(columnNames('attention', PLUS, 2), ['dense', 'law']);
    assert.deepEqual(columnNames('adapter key', PLUS, 2), ['0', '1']);
    assert.deepEqual(columnNames('ffn', [], 2), ['0', '1']);
    assert.equal(computingColumns('ffn', 6, 4), 2);
    assert.equal(computingColumns('attention', 2, 4), 2);
  });
});
