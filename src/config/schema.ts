import * as z from 'zod';
import { parseQuantity } from './quantity';

// The messages of unions and refinements stand behind "expected" in a diagnostic.
const A_COUNT = 'a positive count such as 2048, 500k or 1M';

/** A positive whole number, with units: `2048`, `500k`, `1M`. */
const quantity = z.union([z.number(), z.string()], A_COUNT).transform((value, context) => {
  const count = parseQuantity(value);
  if (count !== undefined) return count;
  context.addIssue({ code: 'custom', message: A_COUNT });
  return z.NEVER;
});

const count = z.int().positive();
const share = z.number().min(0).max(1);
/** How much of a running mean stays in a step. With 1 it would never move. */
const decay = z.number().min(0).lt(1);

/**
 * The dense transformer that every stage shares; a mixture multiplies parts of it. A file whose stages all start from imported
 * checkpoints leaves its shape out (meaning.ts).
 */
export const modelSchema = z.strictObject({
  layers: count
    .optional()
    .describe('Transformer blocks. Attention and FFN of a block read the same normed input (parallel block).'),
  width: count.optional().describe('Size of the residual stream.'),
  heads: count.optional().describe('Query heads. Must divide the width.'),
  kvHeads: count.optional().describe('Key and value heads. Must divide the heads. Default: as many as heads.'),
  ffnHidden: count
    .optional()
    .describe('Hidden size of the SwiGLU FFN (of the gate alone, not of gate and up together).'),
  context: count.describe('Tokens in a training sequence.'),
  tokenizer: z
    .string()
    .min(1)
    .default('bytes')
    .describe('`bytes`, or the path of a Hugging Face tokenizer.json, relative to this file.'),
  vocabulary: count
    .optional()
    .describe("Rows of the embedding, if more than the tokenizer has. Default: the tokenizer's own size."),
  tiedEmbeddings: z.boolean().default(true).describe('Use the input embedding as the output head too.'),
  ropeBase: z.number().positive().default(10000).describe('Base of the rotary position embedding.'),
  normEpsilon: z.number().positive().default(1e-5).describe('Added to the variance in LayerNorm.'),
});

/** A named corpus. */
const domainSchema = z.strictObject({
  files: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], 'a glob, or a list of globs')
    .describe('A glob, or a list of them, relative to this file: text files, .json or .jsonl.'),
  field: z.string().min(1).optional().describe('Which field of a .json or .jsonl object holds the text.'),
  heldOut: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('Share of documents that never train and serve evaluation, chosen by a hash of their content.'),
});

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
const trainSchema = z.strictObject({
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
  evaluateEvery: count.optional().describe('Steps between evaluations. Default 100.'),
  evaluationTokens: quantity
    .optional()
    .describe('Held-out tokens of each domain that an evaluation reads at most. Default 16k.'),
  checkpointEvery: count.optional().describe('Steps between checkpoints. Default 100.'),
  keepCheckpoints: count.optional().describe('How many of the latest checkpoints stay, beside the best. Default 2.'),
});

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
const upcycleSchema = z.strictObject({
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
  router: routerSchema
    .optional()
    .describe('How new routers start, and what is changed in those of FFNs. Default: random.'),
});

/** A checkpoint of another program to start from. */
const importSchema = z.strictObject({
  huggingFace: z
    .string()
    .min(1)
    .describe(
      'Folder of a Cohere, GPT-NeoX or Llama checkpoint, relative to this file: config.json and *.safetensors.',
    ),
  parallelize: z
    .boolean()
    .default(false)
    .describe('Makes sequential blocks parallel, as `bam` needs them. The model then computes something else.'),
});

/** Several checkpoints that are evaluated as one model. */
const ensembleSchema = z.strictObject({
  members: z.array(z.string().min(1)).min(2).describe('The stages whose checkpoints answer together.'),
  weights: z
    .enum(['posterior', 'uniform'])
    .default('posterior')
    .describe('`posterior` weighs a member by how well it predicted the sequence so far, `uniform` all alike.'),
});

/** One node of the graph: where its parameters come from, and how it trains them. */
const stageSchema = z.strictObject({
  from: z
    .string()
    .min(1)
    .optional()
    .describe('The stage whose checkpoint this one starts from. Default: random parameters.'),
  upcycle: upcycleSchema.optional().describe('Start from several checkpoints, turned into a mixture.'),
  import: importSchema
    .optional()
    .describe('Start from a checkpoint of the transformers library, which says its shape.'),
  ensemble: ensembleSchema
    .optional()
    .describe('Average the predictions of several checkpoints: a result without training and without a checkpoint.'),
  train: trainSchema.optional().describe('Training. Without it the stage only builds its checkpoint and evaluates it.'),
});

/** Questions that a model answers. */
const taskSchema = z.strictObject({
  file: z.string().min(1).describe('A .jsonl file with an example a line, relative to this file.'),
  kind: z
    .enum(['exact-match', 'multiple-choice'])
    .describe('`exact-match` lets the model continue the prompt; `multiple-choice` takes the likeliest choice.'),
  prompt: z.string().min(1).default('prompt').describe('The field with the text in front of the answer.'),
  answer: z
    .string()
    .min(1)
    .default('answer')
    .describe('The field with the right answer; for multiple choice the right choice, or its index from 0.'),
  choices: z.string().min(1).optional().describe('Multiple choice only: the field with the list of choices.'),
  maximum: count.default(200).describe('Examples that are asked at most, the first of the file.'),
});

/** Where the program computes. */
const engineSchema = z.strictObject({
  backend: z
    .enum(['auto', 'native', 'wasm'])
    .default('auto')
    .describe('`auto` takes native TensorFlow where it can be had, else wasm.'),
  step: z
    .enum(['auto', 'eager', 'graph', 'xla'])
    .default('auto')
    .describe(
      'How a training step runs: operation by operation (`eager`), as one graph, or as a graph that XLA compiles. `auto` takes the fastest.',
    ),
});

/** A value that a sweep puts in the place of another; the schema of that place says what it may be. */
const sweptValue = z.unknown();

/** The whole experiment file. */
export const experimentSchema = z.strictObject({
  name: z.string().min(1).describe('What this experiment is called in lists.'),
  seed: z.int().min(0).default(1).describe('Every random choice derives from it.'),
  seeds: z
    .array(z.int().min(0))
    .min(1)
    .optional()
    .describe('Several seeds instead of `seed`: every stage runs once a seed.'),
  sweep: z
    .record(z.string(), z.array(sweptValue).min(1))
    .optional()
    .describe(
      'Values to try by the path of their key, e.g. { stages.bam.train.loadBalance: [0, 0.01] }. Paths are combined.',
    ),
  model: modelSchema.describe('The dense model.'),
  domains: z.record(z.string(), domainSchema).describe('Corpora by name.'),
  tasks: z
    .record(z.string(), taskSchema)
    .optional()
    .describe('Questions by name, put to the model at the end of every stage.'),
  stages: z.record(z.string(), stageSchema).describe('The graph of stages by name.'),
  engine: engineSchema.prefault({}).describe('Where the program computes.'),
});

export type ModelConfig = z.output<typeof modelSchema>;
export type DomainConfig = z.output<typeof domainSchema>;
export type TaskConfig = z.output<typeof taskSchema>;
export type TrainConfig = z.output<typeof trainSchema>;
export type FreezablePart = (typeof FREEZABLE)[number];
export type UpcycleConfig = z.output<typeof upcycleSchema>;
export type EnsembleConfig = z.output<typeof ensembleSchema>;
export type ImportConfig = z.output<typeof importSchema>;
export type StageConfig = z.output<typeof stageSchema>;
export type StepChoice = z.output<typeof engineSchema>['step'];
export type Experiment = z.output<typeof experimentSchema>;

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

/** The JSON schema of the experiment file, for editors. Made from the schema above, never written by hand. */
export function experimentJsonSchema(): object {
  return z.toJSONSchema(experimentSchema, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema !== trainSchema) return;
      const keys = jsonSchema.properties as Record<string, { default?: unknown }>;
      for (const [key, value] of Object.entries(trainDefaults)) keys[key]!.default = value;
    },
  });
}
