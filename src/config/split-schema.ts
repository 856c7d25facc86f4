import * as z from 'zod';
import { count, quantity } from './schema-values';

/** How many tokens the importance of neurons is measured on where the file does not say it. */
export const SPLIT_TOKENS = 32_768;

/** How the FFNs of a dense stage are split into experts. */
export const splitSchema = z.strictObject({
  experts: count.describe(
    'Experts that the FFN of every layer is split into. With 1 the model stays dense, and narrower.',
  ),
  width: count.describe('Hidden neurons of an expert.'),
  shared: z.int().min(0).describe('How many of the most important neurons every expert gets; the others it has alone.'),
  routing: z.enum(['hash', 'learnt']).optional().meta({
    default: 'hash',
    description:
      '`hash` (default) sends every token to an expert that follows from the token alone, at random and for good; `learnt` has routers that train, one expert a token.',
  }),
  importance: z
    .enum(['gradient', 'random', 'inverse'])
    .default('gradient')
    .describe(
      'What neurons are ranked by: the loss that their weights are worth by the gradient, chance, or the reverse of the first. The last two are controls.',
    ),
  tokens: quantity
    .optional()
    .describe('Training tokens of the dense stage that the importance is measured on. Default 32768.'),
});

export type SplitConfig = z.output<typeof splitSchema>;
