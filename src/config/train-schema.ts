import * as z from 'zod';
import { distillSchema } from './distill-schema';
import { count, quantity, share } from './schema-values';

/** How much of a running mean stays in a step. With 1 it would never move. */
const decay = z.number().min(0).lt(1);

/** Which domains a stage trains on, and in what proportion. */
const mixSchema = z.union(
  [
    z.literal('equal'),
    z.record(z.string(), z.number().positive()).refine((mix) => Object.keys(mix).length > 0, 'at least one domain'),
  ],
  '`equal`, or a weight for each domain such as { law: 0.9, general: 0.1 }',
);

/** Parts of a model that a stage may leave as they are. */
export const FREEZABLE = ['experts', 'attention', 'embeddings', 'norms', 'routers'] as const;

/** Training settings as written; every key may be left out, since `like` can bring it. */
export const trainSchema = z.strictObject({
  like: z.string().min(1).optional().describe('Take every setting that is not written here from this stage.'),
  match: z
    .enum(['data', 'compute'])
    .optional()
    .describe('Budget against the stage in `like`: `data` for the same tokens, `compute` for the same FLOPs.'),
  countParents: z.boolean().optional().meta({
    default: false,
    description:
      'With `match: compute`: also count what it took to train the parents of the stage in `like`, but for those that this stage starts from too.',
  }),
  mix: mixSchema.optional().describe('`equal`, or a weight for each domain: { law: 0.9, general: 0.1 }.'),
  tokens: quantity.optional().describe('How many tokens to train on, e.g. 500k.'),
  flops: quantity.optional().describe('How many FLOPs to train for (three forward passes a token), instead of tokens.'),
  batch: count.optional().describe('Sequences in an optimizer step. Default 16.'),
  accumulate: count
    .optional()
    .describe('Passes that an optimizer step is divided into. Must divide the batch. Default 1.'),
  peakLearningRate: z.number().positive().optional().describe('Learning rate after warm-up. Default 1e-3.'),
  warmup: share.optional().describe('Share of the steps over which the learning rate rises from 0. Default 0.05.'),
  finalLearningRate: share
    .optional()
    .describe('Learning rate at the end of the cosine, as a share of the peak. Default 0.1.'),
  weightDecay: z.number().min(0).optional().describe('Decoupled weight decay of matrices (AdamW). Default 0.1.'),
  beta1: decay.optional().describe('AdamW: decay of the mean of gradients. Default 0.9.'),
  beta2: decay.optional().describe('AdamW: decay of the mean of squared gradients. Default 0.95.'),
  clip: z.number().positive().optional().describe('Largest global norm of the gradient. Default 1.'),
  loadBalance: z.number().min(0).optional().describe('Coefficient of the load balancing loss. Default 0.01.'),
  routerZ: z.number().min(0).optional().describe('Coefficient of the router z-loss. Default 0.001.'),
  freeze: z
    .array(z.enum(FREEZABLE))
    .optional()
    .describe(
      'Parts that stay as they are: `experts` (FFN experts of a mixture), `attention` (all of its projections), `embeddings` (and the output head), `norms`, `routers`. Default: none.',
    ),
  distill: distillSchema
    .optional()
    .describe('Also learn from the predictions, and from the residual stream, of a finished stage. Default: off.'),
  evaluateEvery: count.optional().describe('Steps between evaluations. Default 100.'),
  evaluationTokens: quantity
    .optional()
    .describe('Held-out tokens of each domain that an evaluation reads at most. Default 16k.'),
  checkpointEvery: count.optional().describe('Steps between checkpoints. Default 100.'),
  keepCheckpoints: count.optional().describe('How many of the latest checkpoints stay, beside the best. Default 2.'),
});

export type TrainConfig = z.output<typeof trainSchema>;
export type FreezablePart = (typeof FREEZABLE)[number];

/** What a training setting is when neither the stage nor the one it is `like` says it. */
export const trainDefaults = {
  mix: 'equal',
  batch: 16,
  accumulate: 1,
  peakLearningRate: 1e-3,
  warmup: 0.05,
  finalLearningRate: 0.1,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  clip: 1,
  loadBalance: 0.01,
  routerZ: 0.001,
  freeze: [] as FreezablePart[],
  evaluateEvery: 100,
  evaluationTokens: 16_384,
  checkpointEvery: 100,
  keepCheckpoints: 2,
} as const;
