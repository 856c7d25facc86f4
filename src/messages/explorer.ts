// What the extension and the routing explorer say to each other. Tokens, models and routing changes have the shapes of src/plan/serving.ts.
import * as z from 'zod';
import { goneSchema, readySchema, saveSchema } from './contract';

const count = z.int().min(0);
const name = z.string().max(1000);

/** Longest prompt that a page may send, in characters; a model's context is far shorter. */
export const MAXIMUM_PROMPT = 1_000_000;
const MAXIMUM_STOPS = 20;

const checkpointSchema = z.object({ run: name, stage: name, step: count });
/** A checkpoint as panels name it; where it lies is the extension's to know. */
export type CheckpointName = z.output<typeof checkpointSchema>;

const servableSchema = checkpointSchema.extend({
  /** What people call the run. */
  title: z.string(),
});
/** A trained stage that can be asked. */
export type Servable = z.output<typeof servableSchema>;

const expertPlaceSchema = z.object({ layer: count, expert: count });
export type Place = z.output<typeof expertPlaceSchema>;

const routingSchema = z.object({
  off: z.array(expertPlaceSchema).max(100_000),
  force: z.array(expertPlaceSchema).max(10_000),
});
/** Experts that get no token, and experts that get all tokens of their layer. */
export type Change = z.output<typeof routingSchema>;

const samplingSchema = z.object({
  temperature: z.number().min(0),
  topK: z.int().min(1).optional(),
  topP: z.number().gt(0).max(1).optional(),
  seed: z.int(),
});

const askedSchema = z.object({
  checkpoint: checkpointSchema,
  prompt: z.string().max(MAXIMUM_PROMPT),
  tokens: count.max(1_000_000),
  sampling: samplingSchema,
  stop: z.array(z.string().min(1).max(1000)).max(MAXIMUM_STOPS),
  routing: routingSchema.optional(),
});
/** What a page asks of a checkpoint. */
export type Asked = z.output<typeof askedSchema>;

const tokenSchema = z.object({
  position: count,
  id: count,
  text: z.string(),
  isPrompt: z.boolean(),
  logProbability: z.number().optional(),
  ffn: z.array(z.array(z.object({ expert: count, gate: z.number() }))),
  attention: z.array(z.array(z.number())),
});
/** One token with its routing. */
export type Token = z.output<typeof tokenSchema>;

const modelSchema = z.object({
  stage: z.string(),
  step: count,
  layers: count,
  ffnExperts: z.array(z.object({ name: z.string(), kind: z.enum(['ffn', 'constant', 'copy', 'zero']) })),
  removed: z.array(expertPlaceSchema),
  attentionExperts: z.array(z.string()),
  parameters: z.number(),
  context: count,
});
/** What a checkpoint is. */
export type Model = z.output<typeof modelSchema>;

const domainTextSchema = z.object({
  domain: name,
  /** The beginning of a held-out document. */
  text: z.string(),
});
export type DomainText = z.output<typeof domainTextSchema>;

/**
 * To the explorer: `explorer` when it asks and when there are other stages to choose; then what is answered, tokens in bundles. `forgotten` is
 * an answer that a page asks for again and that is gone. `texts` are beginnings of held-out documents, in the order of the domains.
 */
export const explorerMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('explorer'),
    /** The workspace's root, for opening the page again. */
    root: z.string(),
    shown: servableSchema,
    /** Stages that can stand beside it, newest run first. */
    others: z.array(servableSchema),
    domains: z.array(name),
    isTrusted: z.boolean(),
  }),
  z.object({ type: z.literal('model'), id: count, model: modelSchema }),
  z.object({ type: z.literal('tokens'), id: count, tokens: z.array(tokenSchema) }),
  z.object({
    type: z.literal('done'),
    id: count,
    reason: z.enum(['length', 'stop', 'stopped']),
    seconds: z.number(),
    perplexity: z.number().optional(),
  }),
  z.object({ type: z.literal('failed'), id: count, message: z.string() }),
  z.object({ type: z.literal('forgotten'), id: count }),
  z.object({ type: z.literal('texts'), texts: z.array(domainTextSchema), problems: z.array(z.string()) }),
  goneSchema,
]);
export type ExplorerMessage = z.output<typeof explorerMessage>;

/** From the explorer. `isKept` asks for an answer that can be had again (`recall`) after the page was hidden. */
export const explorerRequest = z.discriminatedUnion('type', [
  readySchema,
  z.object({ type: z.literal('generate'), id: count, asked: askedSchema, isKept: z.boolean() }),
  z.object({ type: z.literal('stop'), id: count }),
  z.object({ type: z.literal('recall'), ids: z.array(count).max(100) }),
  z.object({ type: z.literal('texts') }),
  z.object({ type: z.literal('open'), run: name, stage: name }),
  saveSchema,
]);
export type ExplorerRequest = z.output<typeof explorerRequest>;
