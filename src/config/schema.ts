import * as z from 'zod';
import { adaptSchema } from './adapt-schema';
import { launchSchema } from './launch-schema';
import { pruneSchema } from './prune-schema';
import { count } from './schema-values';
import { serveSchema } from './serve-schema';
import { splitSchema } from './split-schema';
import { trainDefaults, trainSchema } from './train-schema';
import { upcycleSchema } from './upcycle-schema';

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
  prompt: z
    .string()
    .min(1)
    .optional()
    .describe('Instructions: which field holds the text in front of the answer. It is read, but not learnt.'),
  answer: z
    .string()
    .min(1)
    .optional()
    .describe('Instructions: which field holds the answer. Loss and perplexity are of its tokens alone.'),
  heldOut: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('Share of documents that never train and serve evaluation, chosen by a hash of their content.'),
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
  split: splitSchema
    .optional()
    .describe('Split the FFNs of the dense stage in `from` into experts, which become a mixture (MoEBERT).'),
  prune: pruneSchema.optional().describe('Remove FFN experts of the mixture in `from`.'),
  adapt: adaptSchema
    .optional()
    .describe('Train small modules on top of the stage in `from`, whose parameters stay as they are (MoV, MoLoRA).'),
  import: importSchema
    .optional()
    .describe('Start from a checkpoint of the transformers library, which says its shape.'),
  ensemble: ensembleSchema
    .optional()
    .describe('Average the predictions of several checkpoints: a result without training and without a checkpoint.'),
  serve: serveSchema
    .optional()
    .describe('Measure how the mixture in `from` decodes with its experts on the disk (HOBBIT). Makes no checkpoint.'),
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
  launch: launchSchema.optional().describe('Where and how stages are executed. Results do not depend on it.'),
});

export type ModelConfig = z.output<typeof modelSchema>;
export type DomainConfig = z.output<typeof domainSchema>;
export type TaskConfig = z.output<typeof taskSchema>;
export type EnsembleConfig = z.output<typeof ensembleSchema>;
export type ImportConfig = z.output<typeof importSchema>;
export type StageConfig = z.output<typeof stageSchema>;
export type StepChoice = z.output<typeof engineSchema>['step'];
export type Experiment = z.output<typeof experimentSchema>;

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
