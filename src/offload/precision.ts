import type { Precision } from '../base/offload-words';

/** The precisions that are whole numbers times a scale for each group of weights. */
export type Quantized = 'int8' | 'int4';

/** The largest whole number of a symmetric quantization: numbers go from minus this to this. */
export const LEVELS: Record<Quantized, number> = { int8: 127, int4: 7 };

/** What is added to a whole number before it is stored, so that it has no sign. */
export const OFFSETS: Record<Quantized, number> = { int8: 128, int4: 8 };

/** Whether a precision has scales. */
export function isQuantized(precision: Precision): precision is Quantized {
  return precision === 'int8' || precision === 'int4';
}
