import * as tf from '@tensorflow/tfjs';
import { elementCount, type FfnProjection } from '../architecture/parameters';
import type { FfnWeights } from '../engine/ops/ffn-forms';
import { byteValues, nibbleValues } from '../engine/ops/packed-bytes';
import { decodeExpert } from '../offload/encode';
import { type ExpertLayout, type ExpertMatrix, nibbleBytes, scaleCount } from '../offload/layout';
import { isQuantized, OFFSETS, type Quantized } from '../offload/precision';

/** An expert in memory, in the precision that it was stored in. */
export interface StoredExpert {
  /** Its weights in float32; what has to be made for that lives in the caller's `tf.tidy`. */
  weights(): FfnWeights;
  dispose(): void;
}

/** The bytes that an expert takes in memory. Whole numbers stay as they are; float16, which tfjs does not have, becomes float32. */
export function memoryBytes({ precision, weights, weightsStart, bytes }: ExpertLayout): number {
  return precision === 'float16' ? weightsStart + 4 * weights : bytes;
}

/** Takes an expert's bytes into memory. `buffer` is as `ExpertFolder.read` gives it. */
export function storedExpert(layout: ExpertLayout, buffer: Buffer): StoredExpert {
  const { precision } = layout;
  return isQuantized(precision) ? quantizedExpert(layout, precision, buffer) : floatExpert(layout, buffer);
}

function floatExpert(layout: ExpertLayout, buffer: Buffer): StoredExpert {
  const { weights, biases } = decodeExpert(layout, buffer);
  const matrices = layout.matrices.map(
    ({ projection, shape }) => [projection, tf.tensor2d(weights[projection]!, shape)] as const,
  );
  const vectors = layout.biases.map(({ projection }) => [projection, tf.tensor1d(biases[projection]!)] as const);
  const all = weightsOf(new Map(matrices), new Map(vectors));
  return { weights: () => all, dispose: () => tf.dispose([...matrices, ...vectors].map(([, tensor]) => tensor)) };
}

function quantizedExpert(layout: ExpertLayout, precision: Quantized, buffer: Buffer): StoredExpert {
  const floats = new Float32Array(buffer.buffer, buffer.byteOffset, layout.weightsStart / 4);
  const start = buffer.byteOffset + layout.weightsStart;
  const words = precision === 'int8' ? Math.ceil(layout.weights / 4) : nibbleBytes(layout) / 4;
  const packed = tf.tensor1d(new Int32Array(buffer.buffer, start, words), 'int32');
  let at = 0;
  const take = (count: number): Float32Array => floats.subarray(at, (at += count));
  const biases = new Map(layout.biases.map(({ projection, size }) => [projection, tf.tensor1d(take(size))]));
  const runs = runsOf(layout.matrices).map((matrices): Run => {
    const scales = matrices.reduce((sum, matrix) => sum + scaleCount(matrix), 0);
    return { matrices, scales: tf.tensor2d(take(scales), [scales, 1]) };
  });
  return {
    weights: () => weightsOf(dequantized(layout, precision, packed, runs), biases),
    dispose: () => tf.dispose([packed, ...runs.map(({ scales }) => scales), ...biases.values()]),
  };
}

/** Matrices with groups of one length, which are scaled together: each operation costs time to start. */
interface Run {
  matrices: ExpertMatrix[];
  /** (groups, 1) */
  scales: tf.Tensor2D;
}

function runsOf(matrices: readonly ExpertMatrix[]): ExpertMatrix[][] {
  const runs: ExpertMatrix[][] = [];
  for (const matrix of matrices) {
    const last = runs.at(-1);
    if (last?.[0]!.group === matrix.group) last.push(matrix);
    else runs.push([matrix]);
  }
  return runs;
}

/** The matrices of an expert: every whole number times the scale of its group. */
function dequantized(
  { weights }: ExpertLayout,
  precision: Quantized,
  packed: tf.Tensor1D,
  runs: readonly Run[],
): Map<FfnProjection, tf.Tensor2D> {
  const values = precision === 'int8' ? byteValues(packed) : nibbleValues(packed);
  const sizeOf = ({ shape }: ExpertMatrix): number => elementCount(shape);
  const sizes = runs.map(({ matrices }) => matrices.reduce((sum, matrix) => sum + sizeOf(matrix), 0));
  const parts = splitInto(values, [...sizes, values.shape[0] - weights]);
  return new Map(
    runs.flatMap(({ matrices, scales }, i) => {
      const whole = tf.sub(tf.reshape(parts[i]!, [scales.shape[0], -1]), OFFSETS[precision]);
      const scaled = tf.reshape(tf.mul(whole, scales), [-1]) as tf.Tensor1D;
      const own = splitInto(scaled, matrices.map(sizeOf));
      return matrices.map(({ projection, shape }, j) => [projection, tf.reshape(own[j]!, shape)] as const);
    }),
  );
}

/** Parts of these sizes, those of size 0 left out. */
function splitInto(values: tf.Tensor1D, sizes: readonly number[]): tf.Tensor1D[] {
  const some = sizes.filter((size) => size > 0);
  return some.length === 1 ? [values] : tf.split(values, some);
}

function weightsOf(
  matrices: ReadonlyMap<FfnProjection, tf.Tensor2D>,
  biases: ReadonlyMap<FfnProjection, tf.Tensor1D>,
): FfnWeights {
  const both = { up: matrices.get('up')!, down: matrices.get('down')! };
  const gate = matrices.get('gate');
  if (gate) return { gate, ...both };
  const bias = (projection: FfnProjection): tf.Tensor1D =>
    biases.get(projection) ?? tf.zeros([matrices.get(projection)!.shape[0]]);
  return { ...both, upBias: bias('up'), downBias: bias('down') };
}
