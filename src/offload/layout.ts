import type { Architecture } from '../architecture/architecture';
import { elementCount, type FfnProjection, ffnProjections } from '../architecture/parameters';
import { BITS, type Precision } from '../base/offload-words';
import { isQuantized } from './precision';

/** A matrix of an expert, (outputs, inputs), and how many of a row's weights have one scale. */
export interface ExpertMatrix {
  projection: FfnProjection;
  shape: [number, number];
  /** Divides the inputs. */
  group: number;
}

/** A bias of an expert, which is float32 in every precision. */
export interface ExpertBias {
  projection: FfnProjection;
  size: number;
}

/**
 * How the bytes of one expert are arranged: float32 numbers first (biases; then, where there are scales, one for each group of every
 * matrix, row by row), then the weights of all matrices one after the other. int8 takes a byte a weight. int4 has the first half
 * of all weights in the lower four bits of its bytes and the second half in the upper. Weights end at a multiple of four bytes.
 */
export interface ExpertLayout {
  precision: Precision;
  matrices: ExpertMatrix[];
  biases: ExpertBias[];
  /** Numbers of all matrices. */
  weights: number;
  /** Scales of all matrices; none where the precision has none. */
  scales: number;
  /** Where the weights begin, and where they end. */
  weightsStart: number;
  bytes: number;
}

/** The layout of the FFN experts of an architecture. `group` is how many weights have one scale, at most. */
export function expertLayout(
  architecture: Pick<Architecture, 'width' | 'ffnHidden' | 'ffn' | 'biases'>,
  precision: Precision,
  group: number,
): ExpertLayout {
  const { width, ffnHidden } = architecture;
  const matrices = ffnProjections(architecture as Architecture).map((projection): ExpertMatrix => {
    const shape: [number, number] = projection === 'down' ? [width, ffnHidden] : [ffnHidden, width];
    return { projection, shape, group: largestDivisor(shape[1], group) };
  });
  const biases = architecture.biases ? matrices.map(({ projection, shape }) => ({ projection, size: shape[0] })) : [];
  const weights = sum(matrices.map(({ shape }) => elementCount(shape)));
  const scales = isQuantized(precision) ? sum(matrices.map(scaleCount)) : 0;
  const weightsStart = 4 * (scales + sum(biases.map(({ size }) => size)));
  const bytes = weightsStart + 4 * Math.ceil((weights * BITS[precision]) / 32);
  return { precision, matrices, biases, weights, scales, weightsStart, bytes };
}

/** How many scales a matrix has. */
export function scaleCount({ shape, group }: ExpertMatrix): number {
  return elementCount(shape) / group;
}

/** How many bytes hold an int4 expert's weights, two in each. */
export function nibbleBytes({ weights }: Pick<ExpertLayout, 'weights'>): number {
  return 4 * Math.ceil(weights / 8);
}

/** The largest divisor of `count` that is at most `most`. */
function largestDivisor(count: number, most: number): number {
  for (let divisor = Math.min(count, most); divisor > 1; divisor--) if (count % divisor === 0) return divisor;
  return 1;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
