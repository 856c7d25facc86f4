import assert from 'node:assert/strict';
import { stageFacts } from '../../../src/plan/facts';
import { stageNote } from '../../../src/plan/stage-note';
import { experimentWith, planned } from './experiment';

const STAGES = `  dense: { train: { tokens: 64k } }
  plus: { upcycle: { method: sparse, experts: [dense], copies: 8, ffnTopK: 2, zeroComputation: { zero: 1, copy: 1, constant: 2 } }, train: { tokens: 16k } }
  more: { from: plus, train: { tokens: 16k } }
  moe: { upcycle: { method: sparse, experts: [dense], copies: 8 } }
  pruned: { from: moe, prune: { method: usage, keep: 3 } }
  fewer: { from: moe, prune: { method: usage, share: 0.5, scope: global } }
  split: { from: dense, split: { experts: 4, width: 16, shared: 8 } }
  mov: { from: dense, adapt: { method: mov, experts: 4 }, train: { tokens: 16k } }
  lora: { from: moe, adapt: { method: molora, experts: 1 }, train: { tokens: 16k } }
  both: { ensemble: { members: [mov, dense] } }
`;

describe('the line on what makes a stage lighter', () => {
  const stages = planned(experimentWith(STAGES));
  const note = (stage: string): string | undefined => stageNote(stages[stage]!);

  it('says of adapters which share of all parameters trains', () => {
    // Two layers: keys and values with a router of head size 8 and 32 numbers each, the FFN's activation of 64.
    const trained = 2 * (2 * (4 * 8 + 4 * 32) + (4 * 64 + 4 * 64));
    const share = Number(((100 * trained) / stages.mov!.parameters.total).toPrecision(2));
    const total = `${(stages.mov!.parameters.total / 1000).toPrecision(3)}k`;
    assert.equal(note('mov'), `MoV of 4: ${share} % of ${total} parameters train, the base stays`);
    assert.match(note('lora')!, /^LoRA, rank 4: [\d.]+ % of [\d.]+k parameters train, the base stays$/);
    const facts = Object.fromEntries(stageFacts(stages.mov!, {}));
    assert.equal(facts['trained parameters'], `${(trained / 1000).toPrecision(3)}k, ${share} % of all`);
  });

  it('says how many experts pruning leaves, and what a split makes', () => {
    assert.equal(note('pruned'), '3 of 8 FFN experts a layer stay');
    assert.equal(note('fewer'), '4 of 8 FFN experts a layer on average stay');
    assert.equal(note('split'), '4 experts of 16 neurons, 8 shared, by gradient; hash routing');
  });

  it('says how many experts compute, and how many a token has of them by the plan', () => {
    // tau 0.75: 0.75 x 8 of 0.75 x 8 + 4 shares go to FFN experts, of 2 choices.
    assert.equal(note('plus'), '8 FFN + 4 zero-computation experts, 1.2 FFN experts a token planned');
    for (const stage of ['plus', 'more']) {
      const facts = Object.fromEntries(stageFacts(stages[stage]!, {}));
      assert.equal(facts['FFN experts per token'], '1.2 planned, of 8', stage);
    }
    assert.ok(!('FFN experts per token' in Object.fromEntries(stageFacts(stages.moe!, {}))));
  });

  it('says nothing of other stages', () => {
    for (const stage of ['dense', 'moe', 'more', 'both']) assert.equal(note(stage), undefined, stage);
  });
});
