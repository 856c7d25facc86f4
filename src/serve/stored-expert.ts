import * as tf from '@tensorflow/tfjs';
import { elementCount, type FfnProjection } from '../architecture/parameters';
import { denseFfn, type FfnWeights } from '../engine/ops/ffn-forms';
import { gelu } from '../engine/ops/gelu';
import { linear } from '../engine/ops/linear';
import { byteValues, nibbleValues } from '../engine/ops/packed-bytes';
import { swiglu } from '../engine/ops/swiglu';
import { decodeExpert } from '../offload/encode';
import { type ExpertLayout, type ExpertMatrix, nibbleBytes, scaleCount } from '../offload/layout';
import { isQuantized, OFFSETS, type Quantized } from '../offload/precision';

/** An expert in memory, in the precision that it was stored in. */
export interface StoredExpert {
  /** What it makes of rows, (K, E) -> (K, E). */
  ffn(rows: tf.Tensor2D): tf.Tensor2D;
  dispose(): void;
}

/** The bytes that an expert takes in memory. Whole numbers stay as they are; float16, which tfjs does not have, becomes float32. */
export function memoryBytes({ precision, weights, weightsStart, bytes }: ExpertLayout): number {
  return precision === 'float16' ? weightsStart + 4 * weights : bytes;
}

/** Takes an expert's bytes into memory. `buffer` is as `ExpertFolder.read` gives it; tensors are made of it without a copy, so that it must stay as it is. */
export function storedExpert(layout: ExpertLayout, buffer: Buffer): StoredExpert {
  const { precision } = layout;
  return isQuantized(precision) ? quantizedExpert(layout, precision, buffer) : floatExpert(layout, buffer);
}

function floatExpert(layout: ExpertLayout, buffer: Buffer): StoredExpert {
  const { weights, biases } = decodeExpert(layout, buffer);
  const matrix = (projection: FfnProjection): tf.Tensor2D => {
    const { shape } = layout.matrices.find((one) => one.projection === projection)!;
    return tf.tensor2d(weights[projection]!, shape);
  };
  const bias = (projection: FfnProjection, size: number): tf.Tensor1D =>
    tf.tensor1d(biases[projection] ?? new Float32Array(size));
  const both = { up: matrix('up'), down: matrix('down') };
  const all: FfnWeights = weights.gate
    ? { gate: matrix('gate'), ...both }
    : { ...both, upBias: bias('up', both.up.shape[0]), downBias: bias('down', both.down.shape[0]) };
  return { ffn: (rows) => denseFfn(rows, all), dispose: () => tf.dispose({ ...all }) };
}

/** Whole numbers become float32 when they are used: nothing as large is kept. */
function quantizedExpert(layout: ExpertLayout, precision: Quantized, buffer: Buffer): StoredExpert {
  const floats = new Float32Array(buffer.buffer, buffer.byteOffset, layout.weightsStart / 4);
  const start = buffer.byteOffset + layout.weightsStart;
  const words = precision === 'int8' ? Math.ceil(layout.weights / 4) : nibbleBytes(layout) / 4;
  const packed = tf.tensor1d(new Int32Array(buffer.buffer, start, words), 'int32');
  let at = 0;
  const take = (count: number): tf.Tensor1D => tf.tensor1d(floats.subarray(at, (at += count)));
  const biases = new Map(layout.biases.map(({ projection, size }) => [projection, take(size)]));
  const scales = layout.matrices.map((matrix) => take(scaleCount(matrix)));
  return {
    ffn: (rows) =>
      tf.tidy(() => {
        const values = wholeNumbers(layout, precision, packed);
        const project = (projection: FfnProjection, x: tf.Tensor2D): tf.Tensor2D => {
          const i = layout.matrices.findIndex((matrix) => matrix.projection === projection);
          const output = product(x, values[i]!, { matrix: layout.matrices[i]!, scales: scales[i]!, precision });
          const bias = biases.get(projection);
          return bias ? tf.add(output, bias) : output;
        };
        const raised = project('up', rows);
        const isGated = layout.matrices.some(({ projection }) => projection === 'gate');
        return project('down', isGated ? swiglu(project('gate', rows), raised) : gelu(raised));
      }),
    dispose: () => tf.dispose([packed, ...scales, ...biases.values()]),
  };
}

/** The whole numbers of each matrix, without a sign: `OFFSETS` more than they are. */
function wholeNumbers({ matrices, weights }: ExpertLayout, precision: Quantized, packed: tf.Tensor1D): tf.Tensor1D[] {
  const values = precision === 'int8' ? byteValues(packed) : nibbleValues(packed);
  const rest = values.shape[0] - weights;
  return tf.split(values, [...matrices.map(({ shape }) => elementCount(shape)), ...(rest ? [rest] : [])]);
}

interface QuantizedMatrix {
  matrix: ExpertMatrix;
  scales: tf.Tensor1D;
  precision: Quantized;
}

/**
 * x W^T of a quantized matrix, (K, inputs) -> (K, outputs). Where a row has one scale, the product is of whole numbers, and what comes out is scaled: that
 * spares two passes over all weights.
 */
function product(
  x: tf.Tensor2D,
  values: tf.Tensor1D,
  { matrix: { shape, group }, scales, precision }: QuantizedMatrix,
): tf.Tensor2D {
  const offset = OFFSETS[precision];
  if (group < shape[1]) {
    const whole = tf.sub(tf.reshape(values, [-1, group]), offset);
    return linear(x, tf.reshape(tf.mul(whole, tf.expandDims(scales, 1)), shape));
  }
  const raised = linear(x, tf.reshape(values, shape));
  return tf.mul(tf.sub(raised, tf.mul(tf.sum(x, 1, true), offset)), scales);
}
