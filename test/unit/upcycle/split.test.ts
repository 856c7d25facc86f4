import assert from 'node:assert/strict';
import { ffnName } from '../../../src/architecture/parameters';
import { splitArchitecture } from '../../../src/plan/splitting';
import { expertNeurons, randomScores, splitFfns } from '../../../src/upcycle/split';
import { dense, parent, sameBits } from './parents';

const SCORES = [5, 1, 9, 7, 3, 8, 2, 6, 4, 0]; // by falling score: 2 5 3 7 0 8 4 6 1 9

describe('the neurons of experts', () => {
  it('are the shared ones and every N-th of the rest by falling score, until the width', () => {
    const sizes = { experts: 3, width: 4, shared: 2 };
    assert.deepEqual(expertNeurons(SCORES, sizes), [
      [2, 3, 5, 8],
      [2, 4, 5, 7],
      [0, 2, 5, 6],
    ]);
  });

  it('are all of the least score where scores are reversed', () => {
    const reversed = SCORES.map((score) => -score);
    assert.deepEqual(expertNeurons(reversed, { experts: 1, width: 3, shared: 0 }), [[1, 6, 9]]);
  });

  it('are the same for every expert where all are shared, and none twice where none is', () => {
    const shared = expertNeurons(SCORES, { experts: 4, width: 3, shared: 3 });
    assert.deepEqual(shared, Array(4).fill([2, 3, 5]));
    const own = expertNeurons(SCORES, { experts: 3, width: 3, shared: 0 }).flat();
    assert.equal(new Set(own).size, 9);
  });

  it('are as many as the paper says for BERT-base: 512 shared, 256 of their own', () => {
    const experts = expertNeurons(randomScores({ ...dense, ffnHidden: 3072 }, 1)[0]!, {
      experts: 4,
      width: 768,
      shared: 512,
    });
    assert.ok(experts.every(({ length }) => length === 768));
    assert.equal(new Set(experts.flat()).size, 512 + 4 * 256);
  });

  it('are ranked by chance in another way in every layer and for every seed', () => {
    const [one, other] = [randomScores(dense, 1), randomScores(dense, 2)];
    assert.notDeepEqual(one[0], one[1]);
    assert.notDeepEqual(one[0], other[0]);
    assert.deepEqual(one, randomScores(dense, 1));
  });
});

describe('a dense model that is split', () => {
  const scores = [
    [5, 1, 4, 3, 2, 0],
    [0, 1, 2, 3, 4, 5],
  ];
  const sizes = { experts: 2, width: 3, shared: 1 };
  const split = { ...sizes, importance: 'gradient', tokens: 1 } as const;

  for (const changes of [{}, { ffn: 'gelu', biases: true, block: 'sequential' } as const]) {
    it(`gives every expert its rows and columns${changes.ffn ? ', with biases' : ''}`, () => {
      const from = parent('dense', 3, changes);
      const target = splitArchitecture({ ...split, routing: 'hash' }, from.architecture, 1);
      const values = splitFfns(from, target, { scores, sizes, seed: 1 });
      const own = expertNeurons(scores[1]!, sizes)[1]!;
      const { width, ffnHidden } = dense;
      const [up, down] = [from.parameters.get(ffnName(1, 'up'))!, from.parameters.get(ffnName(1, 'down'))!];
      const rows = own.flatMap((neuron) => [...up.subarray(neuron * width, (neuron + 1) * width)]);
      sameBits(values.get(ffnName(1, 'up', 1)), rows, 'up');
      const columns = Array.from({ length: width }, (_, row) => own.map((neuron) => down[row * ffnHidden + neuron]!));
      sameBits(values.get(ffnName(1, 'down', 1)), columns.flat(), 'down');
      if (changes.ffn) {
        const bias = from.parameters.get('layers.1.ffn.up.bias')!;
        sameBits(
          values.get('layers.1.ffn.experts.1.up.bias'),
          own.map((neuron) => bias[neuron]!),
          'bias of up',
        );
        for (const expert of [0, 1]) {
          const name = `layers.1.ffn.experts.${expert}.down.bias`;
          sameBits(values.get(name), from.parameters.get('layers.1.ffn.down.bias')!, name);
        }
      }
      for (const [name, value] of from.parameters) {
        if (!/ffn\.(gate|up|down)/.test(name)) sameBits(values.get(name), value, name);
      }
    });
  }

  it('stays the dense model to the bit as one expert with all neurons, and has other weights only where it is narrower', () => {
    const from = parent('dense', 3);
    const whole = { experts: 1, width: dense.ffnHidden, shared: 0, importance: 'gradient' } as const;
    const target = splitArchitecture(whole, dense, 1);
    assert.deepEqual(target, dense);
    assert.deepEqual(splitFfns(from, target, { scores, sizes: whole, seed: 1 }), from.parameters);
  });

  it('has routers and larger experts where routing is learnt: up and down by the root of their number', () => {
    const from = parent('dense', 3);
    const build = (routing: 'hash' | 'learnt') =>
      splitFfns(from, splitArchitecture({ ...split, routing }, dense, 1), { scores, sizes, seed: 1 });
    const [hash, learnt] = [build('hash'), build('learnt')];
    assert.ok(!hash.has('layers.0.ffn.router.weight'));
    assert.equal(learnt.get('layers.0.ffn.router.weight')!.length, 2 * dense.width);
    const larger = hash.get(ffnName(0, 'down', 1))!.map((value) => value * Math.SQRT2);
    sameBits(learnt.get(ffnName(0, 'down', 1)), larger, 'down');
    sameBits(learnt.get(ffnName(0, 'gate', 1)), hash.get(ffnName(0, 'gate', 1))!, 'gate');
  });
});
