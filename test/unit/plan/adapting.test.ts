import assert from 'node:assert/strict';
import { countAdapters, countParameters, forwardFlops } from '../../../src/architecture/counts';
import { adapterLines } from '../../../src/plan/adapting';
import { stageFacts } from '../../../src/plan/facts';
import { experimentWith, planned } from './experiment';

const STAGES = `  seed: { train: { tokens: 64k, freeze: [norms] } }
  bam: { upcycle: { method: bam, experts: [seed, seed, seed] } }
  mov: { from: seed, adapt: { method: mov, experts: 10 }, train: { like: seed } }
`;
const plan = (adapt: string, from = 'seed') =>
  planned(experimentWith(`${STAGES}  own: { from: ${from}, adapt: { ${adapt} }, train: { tokens: 32k } }\n`)).own!;

describe('a stage with adapters in a plan', () => {
  it('trains nothing but them, and says so', () => {
    const { mov } = planned(experimentWith(STAGES));
    assert.deepEqual(mov!.architecture.adapters, { method: 'mov', experts: 10, parts: ['attention', 'ffn'] });
    const { freeze, loadBalance, routerZ } = mov!.train!;
    assert.deepEqual([freeze, loadBalance, routerZ], [undefined, 0, 0]);
    const facts = Object.fromEntries(stageFacts(mov!, {}));
    assert.equal(facts['adapted by'], 'MoV of 10');
    assert.equal(facts['starts from'], 'seed');
    assert.match(facts['trained parameters']!, /^4\.16k, 13 % of all$/);
    assert.deepEqual(adapterLines(Object.values(planned(experimentWith(STAGES)))), [
      'mov trains MoV of 10 alone: 4.16k, 13 % of all',
    ]);
  });

  it('has the defaults of the paper, in a mixture those that it can have', () => {
    assert.deepEqual(plan('method: molora, experts: 3', 'bam').architecture.adapters, {
      ...{ method: 'molora', experts: 3, rank: 4, alpha: 16 },
      parts: ['attention', 'ffn'],
    });
    assert.deepEqual(plan('method: mov, experts: 3', 'bam').architecture.adapters!.parts, ['attention']);
    assert.equal(Object.fromEntries(stageFacts(plan('method: molora, experts: 1'), {}))['adapted by'], 'LoRA, rank 4');
    assert.equal(Object.fromEntries(stageFacts(plan('method: mov, experts: 1'), {}))['adapted by'], '(IA)^3');
  });

  it('has one key for settings that say the same, another for others', () => {
    const key = (adapt: string): string => plan(adapt).key;
    const molora = 'method: molora, experts: 3';
    assert.equal(
      new Set([molora, `${molora}, rank: 4, alpha: 16`, `${molora}, parts: [ffn, attention]`].map(key)).size,
      1,
    );
    const others = ['rank: 2', 'alpha: 8', 'parts: [ffn]', 'parts: [attention]'].map((one) => `${molora}, ${one}`);
    assert.equal(
      new Set([...others, molora, 'method: molora, experts: 4', 'method: mov, experts: 3'].map(key)).size,
      7,
    );
  });

  it('changes no key of other stages', () => {
    const without = STAGES.split('\n').slice(0, 2).join('\n');
    assert.equal(planned(experimentWith(STAGES)).bam!.key, planned(experimentWith(`${without}\n`)).bam!.key);
  });

  it('counts what its adapters have and compute', () => {
    // Width 32, 4 heads of 8, FFN 64, 2 layers.
    const added = (adapt: string, from = 'seed') => {
      const [own, base] = [plan(adapt, from), planned(experimentWith(STAGES))[from]!];
      const counts = [own, base].map(({ architecture }) => countParameters(architecture));
      assert.equal(counts[0]!.total - counts[1]!.total, countAdapters(own.architecture));
      assert.equal(counts[0]!.active - counts[1]!.active, countAdapters(own.architecture));
      const flops = forwardFlops(own.architecture).total - forwardFlops(base.architecture).total;
      return [countAdapters(own.architecture) / 2, flops / 2];
    };
    assert.deepEqual(added('method: mov, experts: 1'), [32 + 32 + 64, 0]);
    // Vectors and a router that reads a head of 8, or the FFN's 64.
    assert.deepEqual(added('method: mov, experts: 3'), [3 * (32 + 8) * 2 + 3 * (64 + 64), 4 * 3 * (32 + 32 + 64)]);
    const lora = 2 * (8 * (32 + 32) + 2 * (32 + 64) + 1 * (64 + 32)) - 2 * 4 * 64;
    assert.deepEqual(added('method: molora, experts: 1, rank: 2'), [lora, 2 * lora]);
    const [inputs, outputs] = [32 * 3 + 96 + 32, 96 * 3 + 32 + 32]; // queries, keys, values of three experts; output; beside the FFN
    const molora = 5 * (2 * (inputs + outputs) + inputs);
    assert.deepEqual(added('method: molora, experts: 5, rank: 2', 'bam'), [molora, 2 * molora]);
  });
});
