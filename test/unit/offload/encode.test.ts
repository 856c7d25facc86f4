import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../../src/architecture/architecture';
import { elementCount } from '../../../src/architecture/parameters';
import { normalValues } from '../../../src/base/random';
import { CheckpointError } from '../../../src/base/errors';
import { decodeExpert, encodeExpert, type ExpertTensors } from '../../../src/offload/encode';
import { halfTable, toHalf } from '../../../src/base/half';
import { type ExpertLayout, expertLayout } from '../../../src/offload/layout';
import { type Precision, PRECISIONS } from '../../../src/base/offload-words';
import { LEVELS } from '../../../src/offload/precision';

type Shape = Parameters<typeof expertLayout>[0];

const SWIGLU: Shape = { width: 12, ffnHidden: 10 };
const GELU: Shape = { width: 12, ffnHidden: 10, ffn: 'gelu', biases: true };
const FORMS: [string, Shape][] = [
  ['SwiGLU', SWIGLU],
  ['GELU with biases', GELU],
  ['GELU without biases', { width: 12, ffnHidden: 10, ffn: 'gelu' } satisfies Partial<Architecture>],
];

function tensorsOf({ matrices, biases }: ExpertLayout, value: (i: number) => Float32Array): ExpertTensors {
  return {
    weights: Object.fromEntries(matrices.map(({ projection }, i) => [projection, value(i)])),
    biases: Object.fromEntries(biases.map(({ projection, size }, i) => [projection, normalValues(90 + i, size, 1)])),
  };
}

function randomTensors(layout: ExpertLayout): ExpertTensors {
  return tensorsOf(layout, (i) => normalValues(7 + i, elementCount(layout.matrices[i]!.shape), 0.5));
}

function back(layout: ExpertLayout, tensors: ExpertTensors): ExpertTensors {
  return decodeExpert(layout, encodeExpert(layout, tensors, 'It'));
}

describe('float16', () => {
  it('rounds as numpy does', () => {
    const file = join(__dirname, '../../parity/stored/half.json');
    const { floatBits, halfBits, backBits } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number[]>;
    const values = new Float32Array(Uint32Array.from(floatBits!).buffer);
    assert.deepEqual(Array.from(values, toHalf), halfBits);
    const wide = Float32Array.from(halfBits!, (half) => halfTable()[half]!);
    assert.deepEqual([...new Uint32Array(wide.buffer)], backBits);
  });

  it('keeps what is not a number', () => {
    assert.ok(Number.isNaN(halfTable()[toHalf(NaN)]));
  });
});

describe('an encoded expert', () => {
  for (const [form, shape] of FORMS) {
    it(`comes back, with every bias as it was: ${form}`, () => {
      for (const precision of PRECISIONS) {
        const layout = expertLayout(shape, precision, 4);
        const tensors = randomTensors(layout);
        const found = back(layout, tensors);
        assert.deepEqual(found.biases, tensors.biases);
        const projections = layout.matrices.map(({ projection }) => projection);
        assert.deepEqual(projections, shape.ffn ? ['up', 'down'] : ['gate', 'up', 'down']);
        for (const projection of projections) {
          const [wanted, came] = [tensors.weights[projection]!, found.weights[projection]!];
          if (precision === 'float32') assert.deepEqual(came, wanted);
          else if (precision === 'float16')
            assert.deepEqual(
              came,
              wanted.map((value) => halfTable()[toHalf(value)]!),
            );
          else assert.equal(came.length, wanted.length);
        }
      }
    });
  }

  for (const precision of ['int8', 'int4'] as const) {
    it(`is off by half a step at most in ${precision}, the step being the largest magnitude of a group over ${LEVELS[precision]}`, () => {
      const layout = expertLayout(SWIGLU, precision, 4);
      const tensors = randomTensors(layout);
      const found = back(layout, tensors);
      let worst = 0;
      for (const { projection, group, shape } of layout.matrices) {
        assert.equal(group, shape[1] % 4 === 0 ? 4 : 2);
        const wanted = tensors.weights[projection]!;
        for (let start = 0; start < wanted.length; start += group) {
          const values = wanted.subarray(start, start + group);
          const step = Math.max(...values.map(Math.abs)) / LEVELS[precision];
          values.forEach((value, i) => {
            const error = Math.abs(found.weights[projection]![start + i]! - value) / step;
            worst = Math.max(worst, error);
            assert.ok(error <= 0.5 + 1e-5, `${projection} ${start + i}: ${error} steps`);
          });
        }
      }
      // Of so many weights some lie near the middle of two levels.
      assert.ok(worst > 0.4, String(worst));
    });

    it(`is exact in ${precision} where weights are whole numbers of a step`, () => {
      const layout = expertLayout(GELU, precision, 6);
      const levels = LEVELS[precision];
      // Every group has the largest level once, and the step is a power of two that differs by group.
      const tensors = tensorsOf(layout, (which) =>
        Float32Array.from({ length: elementCount(layout.matrices[which]!.shape) }, (_, i) => {
          const { group } = layout.matrices[which]!;
          const whole = i % group === 0 ? levels : ((i * 5) % (2 * levels + 1)) - levels;
          return whole * 2 ** ((Math.floor(i / group) % 9) - 6);
        }),
      );
      assert.deepEqual(back(layout, tensors), tensors);
    });
  }

  it('keeps a group of zeros, and all else finite', () => {
    for (const precision of PRECISIONS) {
      const layout = expertLayout(SWIGLU, precision, 4);
      const tensors = tensorsOf(layout, (i) => new Float32Array(elementCount(layout.matrices[i]!.shape)));
      assert.deepEqual(back(layout, tensors), tensors, precision);
    }
  });

  it('takes the bytes that its layout says', () => {
    const bytes = (precision: Precision, shape: Shape, group: number): number =>
      expertLayout(shape, precision, group).bytes;
    // 3 matrices of 120 weights; 12 inputs have 3 groups of 4, 10 inputs 5 of 2.
    const scales = 2 * 10 * 3 + 12 * 5;
    assert.equal(bytes('float32', SWIGLU, 4), 4 * 360);
    assert.equal(bytes('float16', SWIGLU, 4), 2 * 360);
    assert.equal(bytes('int8', SWIGLU, 4), 360 + 4 * scales);
    assert.equal(bytes('int4', SWIGLU, 4), 180 + 4 * scales);
    // With biases of 10 and 12 numbers; a group is never longer than a row.
    assert.equal(bytes('int8', GELU, 64), 240 + 4 * (22 + 10 + 12));
    // 9 weights in int4 fill up two whole words.
    assert.equal(bytes('int4', { width: 3, ffnHidden: 1 }, 1), 4 * 9 + 8);
  });

  it('refuses weights that the precision cannot say, and names the expert', () => {
    const refused = (precision: Precision, value: number): string | undefined => {
      const layout = expertLayout(SWIGLU, precision, 4);
      const tensors = randomTensors(layout);
      tensors.weights.down![5] = value;
      try {
        encodeExpert(layout, tensors, 'FFN expert 1 of layer 0');
        return undefined;
      } catch (error) {
        assert.ok(error instanceof CheckpointError);
        assert.match(error.message, /FFN expert 1 of layer 0 .*found/);
        return error.reason;
      }
    };
    assert.deepEqual(
      [refused('float16', 7e4), refused('float16', -65504), refused('int8', NaN), refused('float32', Infinity)],
      ['out-of-range', undefined, 'not-finite', 'not-finite'],
    );
  });
});
