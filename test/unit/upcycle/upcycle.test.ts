import assert from 'node:assert/strict';
import type { Architecture, MixtureArchitecture } from '../../../src/architecture/architecture';
import { type Parent, upcycle } from '../../../src/upcycle/upcycle';
import { dense, mixed, parent, sameBits } from './parents';

const parents = [parent('dense', 1), parent('law', 2), parent('code', 3)];

function meanOf(name: string): number[] {
  const tensors = parents.map(({ parameters }) => parameters.get(name)!);
  return Array.from(tensors[0]!, (_, i) => tensors.reduce((sum, tensor) => sum + tensor[i]!, 0) / tensors.length);
}

const FFN = ['gate', 'up', 'down'].map((part) => `ffn.*${part}.weight`);
const QUERIES = ['query', 'output'].map((part) => `attention.*${part}.weight`);
const KEYS = ['key', 'value'].map((part) => `attention.*${part}.weight`);
const SHARED = ['embedding.weight', 'norm.weight', 'head.weight', 'layers.0.norm.weight', 'layers.1.norm.weight'];

/** Checks every tensor of a mixture: which are copied from a parent, which are the mean, and that routers are all that is left. */
function check(
  attention: MixtureArchitecture['attention'],
  copied: string[],
  averaged: string[],
  routers: string[],
): void {
  const found = upcycle(parents, mixed(attention), 1);
  const left = new Set(found.keys());
  for (const layer of [0, 1]) {
    for (const part of copied) {
      for (const [i, { parameters }] of parents.entries()) {
        const name = `layers.${layer}.${part.replace('*', `experts.${i}.`)}`;
        sameBits(found.get(name), parameters.get(`layers.${layer}.${part.replace('*', '')}`)!, name);
        left.delete(name);
      }
    }
    for (const part of averaged) {
      const name = `layers.${layer}.${part.replace('*', '')}`;
      sameBits(found.get(name), meanOf(name), name);
      left.delete(name);
    }
  }
  for (const name of SHARED) {
    sameBits(found.get(name), meanOf(name), name);
    left.delete(name);
  }
  assert.deepEqual(
    [...left].sort(),
    routers.flatMap((router) => [0, 1].map((layer) => `layers.${layer}.${router}`)).sort(),
  );
}

describe('upcycling', () => {
  it('with BAM copies attention and FFN of every parent to the bit, and averages the rest', () => {
    check('kv-experts', [...FFN, ...QUERIES, ...KEYS], [], ['attention.router.weight', 'ffn.router.weight']);
  });

  it('with shared keys and values averages those', () => {
    check('shared-kv', [...FFN, ...QUERIES], KEYS, ['attention.router.weight', 'ffn.router.weight']);
  });

  it('with BTX copies FFNs, and averages attention', () => {
    check('averaged', FFN, [...QUERIES, ...KEYS], ['ffn.router.weight']);
  });

  it('leaves the parents alone: a mixture that trains changes none of them', () => {
    const found = upcycle(parents, mixed('kv-experts'), 1);
    const before = parents[0]!.parameters.get('layers.0.ffn.gate.weight')![0]!;
    found.get('layers.0.ffn.experts.0.gate.weight')!.fill(9);
    assert.equal(parents[0]!.parameters.get('layers.0.ffn.gate.weight')![0], before);
  });

  it('of equal parents averages to that parent, to the bit', () => {
    const twins = [parents[1]!, parents[1]!, parents[1]!];
    const found = upcycle(twins, mixed('averaged'), 1);
    sameBits(found.get('embedding.weight'), parents[1]!.parameters.get('embedding.weight')!, 'embedding.weight');
  });

  it('starts the bias that balances an FFN router at zero', () => {
    const plain = mixed('averaged');
    const biased = { ...plain, mixture: { ...plain.mixture!, router: { balanceBias: 1e-3 } } };
    sameBits(upcycle(parents, biased, 5).get('layers.1.ffn.router.bias'), [0, 0, 0], 'bias');
  });

  it('of a parent that is listed twice copies it twice, and counts it once in the means', () => {
    const [seed, law, code] = parents as [Parent, Parent, Parent];
    for (const attention of ['averaged', 'shared-kv', 'kv-experts'] as const) {
      const once = upcycle([seed, law, code], mixed(attention), 1);
      const more = upcycle([seed, law, code, seed, seed], mixed(attention, 5), 1);
      for (const [name, values] of once) if (!name.includes('router')) sameBits(more.get(name), values, name);
      for (const expert of [3, 4]) {
        for (const [name, values] of more) {
          if (name.includes(`experts.${expert}.`)) sameBits(more.get(name.replace(`.${expert}.`, '.0.')), values, name);
        }
      }
    }
  });

  it('draws routers from the seed alone, small, and each its own', () => {
    const routers = (seed: number, of = parents, attention: MixtureArchitecture['attention'] = 'kv-experts') => {
      const found = upcycle(of, mixed(attention), seed);
      return ['ffn', 'attention'].flatMap((router) =>
        [0, 1].map((layer) => found.get(`layers.${layer}.${router}.router.weight`)!),
      );
    };
    const first = routers(1);
    assert.deepEqual(first, routers(1, [parent('a', 7), parent('b', 8), parent('c', 9)]), 'other parents');
    assert.deepEqual(first, routers(1, parents, 'shared-kv'), 'another attention');
    assert.notDeepEqual(first[0], routers(2)[0]);
    assert.equal(new Set(first.map(String)).size, 4);
    for (const router of first) {
      assert.equal(router.length, 3 * 8);
      assert.ok(router.every((value) => value !== 0 && Math.abs(value) < 0.1));
    }
  });
});

describe('parents that do not fit', () => {
  const refuses = (changes: Partial<Architecture>, message: RegExp) =>
    assert.throws(() => upcycle([parents[0]!, parent('odd', 5, changes), parents[2]!], mixed('kv-experts'), 1), {
      name: 'CheckpointError',
      reason: 'parent-mismatch',
      message,
    });

  it('are refused with the tensor and both shapes', () => {
    refuses({ ffnHidden: 7 }, /^Parent odd: tensor layers\.0\.ffn\.gate\.weight should be \(6, 8\), found \(7, 8\)\.$/);
    refuses({ vocabulary: 12 }, /embedding\.weight should be \(11, 8\), found \(12, 8\)/);
    refuses({ kvHeads: 4 }, /layers\.0\.attention\.key\.weight should be \(4, 8\), found \(8, 8\)/);
    refuses({ layers: 1 }, /layers\.1\.norm\.weight should be \(8\), found no such tensor/);
    refuses({ tiedEmbeddings: true }, /head\.weight should be \(11, 8\), found no such tensor/);
  });

  it('are refused for settings that no shape shows', () => {
    refuses({ ropeBase: 500_000 }, /^Parent odd: ropeBase should be 10000, found 500000\.$/);
    refuses({ normEpsilon: 1e-6 }, /normEpsilon should be 0\.00001, found 0\.000001/);
    // Eight rows of keys from two heads of four, or from four heads of two.
    const narrow = { ...dense, heads: 2, kvHeads: 1 };
    refuses(narrow, /heads should be 4, found 2/);
  });

  it('are refused where a tensor is missing', () => {
    const { architecture, parameters } = parents[1]!;
    const torn = new Map([...parameters].filter(([name]) => name !== 'layers.1.ffn.up.weight'));
    assert.throws(
      () => upcycle([parents[0]!, { name: 'law', architecture, parameters: torn }, parents[2]!], mixed('averaged'), 1),
      {
        message: /^Parent law: tensor layers\.1\.ffn\.up\.weight should be \(6, 8\), found no such tensor\.$/,
      },
    );
  });

  it('are refused where they are mixtures, or too many or too few', () => {
    const mixture = {
      name: 'bam',
      architecture: mixed('averaged'),
      parameters: upcycle(parents, mixed('averaged'), 1),
    };
    assert.throws(() => upcycle([parents[0]!, parents[1]!, mixture], mixed('averaged'), 1), {
      reason: 'parent-mismatch',
      message: 'Parent bam should be dense, found a mixture.',
    });
    assert.throws(() => upcycle(parents, mixed('averaged', 4), 1), { message: /wants 4 experts, found 3 parents/ });
    assert.throws(() => upcycle(parents, mixed('averaged', 2), 1), { message: /wants 2 experts, found 3 parents/ });
    assert.throws(() => upcycle(parents, dense, 1), { reason: 'parent-mismatch' });
  });
});
