import { elementCount, type FfnProjection } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { halfTable, LARGEST_HALF, toHalf } from '../base/half';
import { type ExpertLayout, type ExpertMatrix, nibbleBytes } from './layout';
import { isQuantized, LEVELS, OFFSETS, type Quantized } from './precision';

/** The numbers of one expert: a matrix or bias for each projection. */
export interface ExpertTensors {
  weights: Partial<Record<FfnProjection, Float32Array>>;
  biases: Partial<Record<FfnProjection, Float32Array>>;
}

/**
 * Writes an expert as its layout has it. Each group of a row's weights is stored as whole numbers, symmetric about 0, times a scale: the
 * largest magnitude becomes the largest level, so that no weight is off by more than half a scale. Throws a `CheckpointError`
 * (`not-finite`, `out-of-range`) for weights that the precision cannot say; `name` says whose they are.
 */
export function encodeExpert(layout: ExpertLayout, tensors: ExpertTensors, name: string): Buffer {
  const buffer = Buffer.from(new ArrayBuffer(layout.bytes));
  const all = new Float32Array(layout.weights);
  let at = 0;
  for (const matrix of layout.matrices) {
    all.set(tensors.weights[matrix.projection]!, at);
    at += elementCount(matrix.shape);
  }
  checkRange(layout, all, name);
  const floats = new Float32Array(buffer.buffer, 0, layout.weightsStart / 4);
  let float = 0;
  for (const { projection, size } of layout.biases) {
    floats.set(tensors.biases[projection]!, float);
    float += size;
  }
  const { precision } = layout;
  if (isQuantized(precision)) {
    const whole = quantize(layout.matrices, all, LEVELS[precision], floats.subarray(float));
    pack(layout, precision, whole, buffer.subarray(layout.weightsStart));
  } else if (precision === 'float32') new Float32Array(buffer.buffer, layout.weightsStart).set(all);
  else new Uint16Array(buffer.buffer, layout.weightsStart, all.length).set(Uint16Array.from(all, toHalf));
  return buffer;
}

/** Rounds weights to whole numbers from -levels to levels; writes the scales. */
function quantize(
  matrices: readonly ExpertMatrix[],
  weights: Float32Array,
  levels: number,
  scales: Float32Array,
): Int8Array {
  const whole = new Int8Array(weights.length);
  let at = 0;
  let group = 0;
  for (const matrix of matrices) {
    for (const end = at + elementCount(matrix.shape); at < end; at += matrix.group, group++) {
      const values = weights.subarray(at, at + matrix.group);
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      scales[group] = largest / levels;
      const scale = scales[group]!;
      if (scale > 0) values.forEach((value, i) => (whole[at + i] = nearest(value / scale, levels)));
    }
  }
  return whole;
}

/** The nearest whole number, which may not leave the levels by the rounding of a scale. */
function nearest(value: number, levels: number): number {
  return Math.max(-levels, Math.min(levels, Math.round(value)));
}

function pack(layout: ExpertLayout, precision: Quantized, whole: Int8Array, target: Buffer): void {
  const offset = OFFSETS[precision];
  if (precision === 'int8') return whole.forEach((value, i) => (target[i] = value + offset));
  const half = nibbleBytes(layout);
  for (let i = 0; i < half; i++) target[i] = ((whole[i] ?? 0) + offset) | (((whole[half + i] ?? 0) + offset) << 4);
}

/** Reads an expert's bytes back as float32 numbers. `buffer` has the layout's length, and begins at a multiple of four bytes. */
export function decodeExpert(layout: ExpertLayout, buffer: Buffer): ExpertTensors {
  const floats = new Float32Array(buffer.buffer, buffer.byteOffset, layout.weightsStart / 4);
  const biases: ExpertTensors['biases'] = {};
  let float = 0;
  for (const { projection, size } of layout.biases) {
    biases[projection] = floats.slice(float, float + size);
    float += size;
  }
  const all = decodeWeights(layout, buffer, floats.subarray(float));
  const weights: ExpertTensors['weights'] = {};
  let at = 0;
  for (const { projection, shape } of layout.matrices) {
    const count = elementCount(shape);
    weights[projection] = all.subarray(at, at + count);
    at += count;
  }
  return { weights, biases };
}

function decodeWeights(layout: ExpertLayout, buffer: Buffer, scales: Float32Array): Float32Array {
  const { precision, weights, weightsStart } = layout;
  const start = buffer.byteOffset + weightsStart;
  if (precision === 'float32') return new Float32Array(buffer.buffer, start, weights);
  if (precision === 'float16') {
    const table = halfTable();
    const halves = new Uint16Array(buffer.buffer, start, weights);
    const values = new Float32Array(weights);
    for (let i = 0; i < weights; i++) values[i] = table[halves[i]!]!;
    return values;
  }
  const values = unpack(layout, precision, buffer.subarray(weightsStart));
  let at = 0;
  let group = 0;
  for (const matrix of layout.matrices) {
    for (const end = at + elementCount(matrix.shape); at < end; group++) {
      const scale = scales[group]!;
      for (const stop = at + matrix.group; at < stop; at++) values[at]! *= scale;
    }
  }
  return values;
}

function unpack(layout: ExpertLayout, precision: Quantized, source: Buffer): Float32Array {
  const values = new Float32Array(layout.weights);
  const offset = OFFSETS[precision];
  const half = nibbleBytes(layout);
  for (let i = 0; i < values.length; i++) {
    if (precision === 'int8') values[i] = source[i]! - offset;
    else values[i] = (i < half ? source[i]! & 15 : source[i - half]! >> 4) - offset;
  }
  return values;
}

function checkRange({ precision }: ExpertLayout, weights: Float32Array, name: string): void {
  const most = precision === 'float16' ? LARGEST_HALF : Number.MAX_VALUE;
  for (const value of weights) {
    if (Math.abs(value) <= most) continue;
    const reason = Number.isFinite(value) ? 'out-of-range' : 'not-finite';
    throw new CheckpointError(`${name} should have weights that ${precision} can say, found ${value}.`, {
      reason,
      advice: 'Leave that precision out with `--precisions`, or quantize an earlier checkpoint.',
    });
  }
}
