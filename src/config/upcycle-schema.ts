import * as z from 'zod';
import { count, share } from './schema-values';
import { zeroComputationSchema } from './zero-computation-schema';

/** What Drop-Upcycling draws anew. */
const dropSchema = z.strictObject({
  ratio: share.default(0.5).describe("Share of an FFN's hidden units that is drawn anew in each expert."),
  indices: z
    .enum(['per-matrix', 'shared'])
    .default('per-matrix')
    .describe(
      "Whether gate, up and down each have their own units drawn anew (as the paper's code does) or the same (as its text says).",
    ),
});

/** How new routers start, and what is changed in those of FFNs. */
const routerSchema = z.strictObject({
  init: z
    .enum(['normal', 'zero', 'centroid'])
    .default('normal')
    .describe(
      '`normal` for random rows; `zero` for gates that are equal at first; `centroid` (bam, btx) for rows that point at the mean input of the domain on which each expert trained most.',
    ),
  deviation: z
    .number()
    .positive()
    .default(0.02)
    .describe(
      'Standard deviation of random rows; rows of `centroid` have the norm that random ones are expected to have.',
    ),
  normalizeLogits: z
    .number()
    .positive()
    .optional()
    .describe(
      'Bring the logits of every token in FFN routers to mean 0 and this standard deviation, e.g. 1 (Skywork-MoE). Default: off.',
    ),
  balanceBias: z
    .number()
    .positive()
    .optional()
    .describe(
      'Balance the load without a loss (DeepSeek-V3): FFN experts are chosen by probability plus a bias, which each step moves by this, e.g. 1e-3. Default: off.',
    ),
  noise: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe(
      'In training, multiply the input of FFN routers by uniform numbers this far from 1 at most, e.g. 0.01 (Switch). Default: off.',
    ),
});

/** How parent checkpoints become a mixture of experts. */
export const upcycleSchema = z.strictObject({
  method: z
    .enum(['bam', 'btx', 'sparse', 'drop', 'scratch'])
    .describe(
      '`bam` keeps attention and FFN of every parent as experts; `btx` keeps FFNs and averages attention; `sparse` copies the FFN of one parent; `drop` copies it and draws a part of each copy anew; `scratch` has random experts and no parent.',
    ),
  experts: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'The stages whose checkpoints become experts, in order; one listed twice becomes two equal experts. sparse, drop: the one that is copied.',
    ),
  copies: z.int().min(2).optional().describe('sparse, drop and scratch only: the number of experts.'),
  drop: dropSchema.optional().describe('drop only: what of each copy is drawn anew.'),
  attention: z.enum(['kv-experts', 'shared-kv']).optional().meta({
    default: 'kv-experts',
    description: 'bam only: `kv-experts` (default) has keys and values for each expert, `shared-kv` averages them.',
  }),
  ffnRouting: z.enum(['top-k', 'soft', 'sample-top-1']).optional().meta({
    default: 'top-k',
    description:
      '`top-k` (default) sends a token to its best FFN experts; `soft` to all, weighed by their probability; `sample-top-1` to one that is drawn (BTX).',
  }),
  ffnTopK: count.default(1).describe('FFN experts that a token is sent to.'),
  attentionTopK: count
    .optional()
    .describe(
      'bam only: attention experts whose output a token gets. Default: all, weighed by their probability (soft).',
    ),
  gate: z
    .enum(['softmax-topk', 'topk-softmax'])
    .default('softmax-topk')
    .describe('`softmax-topk` weighs experts by their probability; `topk-softmax` renormalises over the chosen ones.'),
  weightScaling: z.boolean().optional().meta({
    default: false,
    description:
      'With softmax-topk: multiply up and down of every expert so that its output is larger by experts / ffnTopK, as its gate is smaller.',
  }),
  zeroComputation: zeroComputationSchema
    .optional()
    .describe('Experts that give nothing, their input, or a constant, beside those with an FFN (MoE++). Default: none.'),
  gatingResidual: z.boolean().optional().meta({
    default: false,
    description: 'Every FFN router but the first also sees the scores of the one before, times a learnt matrix (MoE++).',
  }),
  router: routerSchema
    .optional()
    .describe('How new routers start, and what is changed in those of FFNs. Default: random.'),
});

export type UpcycleConfig = z.output<typeof upcycleSchema>;
