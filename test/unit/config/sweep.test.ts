import assert from 'node:assert/strict';
import { formatDiagnostic } from '../../../src/config/diagnostics';
import { parseExperiment } from '../../../src/config/parse';
import { sweptPath } from '../../../src/config/sweep';

/** The mistakes of a file whose first lines are these; a file without any is an experiment. */
function mistakesOf(lines: string): string[] {
  const { experiment, mistakes } = parseExperiment(`${lines}
name: x
model: { layers: 2, width: 32, heads: 4, ffnHidden: 64, context: 16 }
domains: { law: { files: law/* }, math: { files: math/* } }
stages:
  seed: { train: { tokens: 1k, batch: 12, accumulate: 3 } }
  v1.2: { from: seed, train: { mix: { law: 1 }, tokens: 1k } }
  bam: { upcycle: { method: bam, experts: [seed, v1.2] }, train: { tokens: 1k } }
`);
  assert.equal(experiment === undefined, mistakes.length > 0);
  return mistakes.map((mistake) => formatDiagnostic('x', mistake));
}

describe('seeds and sweeps in an experiment file', () => {
  it('are right with keys that the schema knows, also below names with dots', () => {
    const sweep = `sweep:
  stages.bam.train.loadBalance: [0, 0.01]
  stages.v1.2.train.tokens: [1k, 2000]
  stages.v1.2.train.mix: [equal, { law: 1, math: 2 }]
  stages.bam.upcycle.experts: [[seed, v1.2], [seed, seed, seed]]
  model.kvHeads: [2, 4]`;
    assert.deepEqual(mistakesOf(`seeds: [1, 2, 3]\n${sweep}`), []);
  });

  it('do not stand beside `seed`, and hold every value once', () => {
    assert.deepEqual(mistakesOf('seed: 1\nseeds: [1, 2]'), [
      'x:2:1 seeds: expected either `seed` or `seeds`, found both',
    ]);
    assert.deepEqual(mistakesOf('seeds: [1, 2, 1]\nsweep: { stages.seed.train.mix: [{ law: 1 }, { law: 1 }] }'), [
      'x:1:15 seeds.2: expected each value once, found 1',
      'x:2:46 sweep.stages.seed.train.mix.1: expected each value once, found {"law":1}',
    ]);
    assert.deepEqual(mistakesOf('seeds: []\nsweep: { model.width: [] }'), [
      'x:1:8 seeds: expected at least one entry, found []',
      'x:2:23 sweep.model.width: expected at least one entry, found []',
    ]);
  });

  it('are refused where a path leads nowhere or to what variants share', () => {
    const expected = 'expected the path of a key below `stages` or `model`, not the tokenizer';
    const paths = [
      'stages.bim.train.batch',
      'stages.bam.train.btch',
      'seed',
      'model.tokenizer',
      'domains.law.heldOut',
      'stages.bam',
      'stages',
    ];
    for (const path of paths) {
      assert.deepEqual(mistakesOf(`sweep: { ${path}: [1, 2] }`), [
        `x:1:10 sweep.${path}: ${expected}, found "${path}"`,
      ]);
    }
  });

  it('are told at a value that the schema refuses or that has no meaning there', () => {
    assert.deepEqual(
      mistakesOf('sweep:\n  stages.bam.train.batch: [8, eight, 0]\n  stages.bam.upcycle.experts: [[seed, low]]'),
      [
        'x:2:31 sweep.stages.bam.train.batch.1: expected a whole number, found "eight"',
        'x:2:38 sweep.stages.bam.train.batch.2: expected more than 0, found 0',
        'x:3:32 sweep.stages.bam.upcycle.experts.0: expected a stage of this file (seed, v1.2, bam) at stages.bam.upcycle.experts.1, ' +
          'found "low" in that variant',
      ],
    );
  });

  it('are told at the value that does not fit what stands elsewhere, also if that is swept too', () => {
    assert.deepEqual(mistakesOf('sweep: { stages.seed.train.batch: [12, 13] }'), [
      'x:1:40 sweep.stages.seed.train.batch.1: expected a divisor of the batch 13 at stages.seed.train.accumulate, found 3 in that variant',
    ]);
    const together = 'sweep: { stages.bam.upcycle.ffnTopK: [1, 2], stages.bam.upcycle.gate: [softmax-topk] }';
    assert.deepEqual(mistakesOf(together), []);
    assert.deepEqual(mistakesOf('sweep: { stages.seed.train.batch: [12, 24], stages.seed.train.accumulate: [4, 8] }'), [
      'x:1:79 sweep.stages.seed.train.accumulate.1: expected a divisor of the batch 12, found 8',
    ]);
    assert.deepEqual(mistakesOf('sweep: { model.heads: [4, 8], model.kvHeads: [2, 8] }'), [
      'x:1:50 sweep.model.kvHeads.1: expected a divisor of the 4 heads, found 8',
    ]);
  });

  it('are limited', () => {
    const many = Array.from({ length: 400 }, (_, i) => i).join(', ');
    assert.deepEqual(mistakesOf(`seeds: [${many}]`), [
      'x:1:1 seeds: expected at most 1000 stages, found 400 variants of 3 stages',
    ]);
    const keys = ['batch', 'clip', 'warmup', 'beta1', 'beta2', 'routerZ', 'loadBalance'];
    const sweep = keys.map((key) => `stages.bam.train.${key}: [0.5]`).join(', ');
    assert.deepEqual(mistakesOf(`sweep: { ${sweep} }`), ['x:1:1 sweep: expected at most 6 swept keys, found 7']);
  });
});

describe('the path of a swept key', () => {
  it('takes the longest name of a stage that fits', () => {
    assert.deepEqual(sweptPath('stages.a.b.train.mix.x.y', ['a', 'a.b']), ['stages', 'a.b', 'train', 'mix', 'x.y']);
    assert.deepEqual(sweptPath('stages.a.train.batch', ['a', 'a.b']), ['stages', 'a', 'train', 'batch']);
  });
});
