import * as z from 'zod';

/** Learning from a finished stage beside the text. */
export const distillSchema = z.strictObject({
  teacher: z.string().min(1).describe('The stage whose last checkpoint is learnt from. It stays as it is.'),
  weight: z.number().positive().default(1).describe('Coefficient of the distillation loss.'),
  layers: z
    .enum(['all', 'last', 'none'])
    .default('all')
    .describe(
      'Where the residual stream should be that of the teacher, beside the predictions: behind the embedding and every layer, behind the last layer, or nowhere.',
    ),
});

export type DistillConfig = z.output<typeof distillSchema>;
