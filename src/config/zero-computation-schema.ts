import * as z from 'zod';

const kind = z.int().min(0);

/** Experts that compute next to nothing, beside those with an FFN. */
export const zeroComputationSchema = z.strictObject({
  zero: kind.default(1).describe('Experts that give nothing.'),
  copy: kind.default(1).describe('Experts that give their input.'),
  constant: kind.default(2).describe('Experts that give a learnt mean of their input and a learnt vector.'),
  tau: z
    .number()
    .gt(0)
    .max(1)
    .default(0.75)
    .describe('Weight of these experts in the load balancing loss; with less, fewer tokens go to FFN experts.'),
  capacity: z
    .number()
    .positive()
    .optional()
    .describe(
      'In training, an expert takes at most this many times its share of the tokens of a sequence, e.g. 1.1; the others pass it by. Default: no limit.',
    ),
});
