import * as z from 'zod';
import { parseQuantity } from './quantity';

// The messages of unions and refinements stand behind "expected" in a diagnostic.
const A_COUNT = 'a positive count such as 2048, 500k or 1M';

/** A positive whole number, with units: `2048`, `500k`, `1M`. */
export const quantity = z.union([z.number(), z.string()], A_COUNT).transform((value, context) => {
  const count = parseQuantity(value);
  if (count !== undefined) return count;
  context.addIssue({ code: 'custom', message: A_COUNT });
  return z.NEVER;
});

/** A positive whole number, without units. */
export const count = z.int().positive();

/** A part of a whole, from 0 to 1. */
export const share = z.number().min(0).max(1);
