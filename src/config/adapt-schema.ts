import * as z from 'zod';
import { count } from './schema-values';

/** Small modules that train on top of a stage's model, which stays as it is. */
export const adaptSchema = z.strictObject({
  method: z
    .enum(['mov', 'molora'])
    .describe(
      '`mov` multiplies keys, values and the inner activation of the FFN by mixed vectors (IA)^3; `molora` adds mixed low-rank products to every projection.',
    ),
  experts: count.describe(
    'Vectors or products that are mixed at each place. 1 is plain (IA)^3 or LoRA, without a router.',
  ),
  rank: count.optional().meta({ default: 4, description: 'molora only: the rank of each product.' }),
  alpha: z
    .number()
    .positive()
    .optional()
    .meta({ default: 16, description: 'molora only: products are multiplied by alpha / rank.' }),
  parts: z
    .array(z.enum(['attention', 'ffn']))
    .min(1)
    .optional()
    .describe(
      'Which parts of a block have adapters. Default: `[attention, ffn]`; with `mov` in a mixture `[attention]`, since its FFN experts have none.',
    ),
});

export type AdaptConfig = z.output<typeof adaptSchema>;
