import * as z from 'zod';
import { ADAPTED_PARTS, type Architecture } from './architecture';

/** Largest count; one beyond it is damage, and is found before anything of that size is made. */
const MAXIMUM_COUNT = 1e9;
/** Most blocks, and most tensors that their experts may have. */
const MAXIMUM_LAYERS = 10_000;
const MAXIMUM_EXPERTS = 100_000;

const count = z.int().min(1).max(MAXIMUM_COUNT);
const none = z.int().min(0).max(MAXIMUM_COUNT);

const mixtureSchema = z.looseObject({
  experts: count,
  ffnTopK: count,
  gate: z.enum(['softmax-topk', 'topk-softmax']),
  attention: z.enum(['averaged', 'kv-experts', 'shared-kv']),
  ffnRouting: z.enum(['soft', 'sample-top-1', 'hash']).optional(),
  hashSeed: z.int().optional(),
  attentionTopK: count.optional(),
  router: z
    .looseObject({
      normalizeLogits: z.number().optional(),
      balanceBias: z.number().optional(),
      noise: z.number().optional(),
    })
    .optional(),
  pruned: z
    .looseObject({ experts: z.array(z.array(none)).max(MAXIMUM_LAYERS), routing: z.enum(['zero', 'masked']) })
    .optional(),
  zeroComputation: z
    .looseObject({ zero: none, copy: none, constant: none, tau: z.number(), capacity: z.number().optional() })
    .optional(),
  gatingResidual: z.literal(true).optional(),
});

const keysSchema = z.looseObject({
  layers: count.max(MAXIMUM_LAYERS),
  width: count,
  heads: count,
  kvHeads: count,
  ffnHidden: count,
  context: count,
  vocabulary: count,
  tiedEmbeddings: z.boolean(),
  ropeBase: z.number(),
  normEpsilon: z.number(),
  mixture: mixtureSchema.optional(),
  adapters: z
    .looseObject({
      method: z.enum(['mov', 'molora']),
      experts: count,
      rank: count.optional(),
      alpha: z.number().optional(),
      parts: z.array(z.enum(ADAPTED_PARTS)),
    })
    .optional(),
  block: z.enum(['parallel-two-norms', 'sequential']).optional(),
  norm: z.literal('rms').optional(),
  ffn: z.literal('gelu').optional(),
  biases: z.literal(true).optional(),
  rotaryDimensions: count.optional(),
  logitScale: z.number().optional(),
});

const architectureSchema = keysSchema
  .refine(({ width, heads, kvHeads }) => width % heads === 0 && heads % kvHeads === 0, {
    path: ['heads'],
    message: 'should divide the width, and kvHeads the heads',
  })
  .refine(
    ({ layers, mixture, adapters }) => layers * Math.max(columnsOf(mixture), adapters?.experts ?? 1) <= MAXIMUM_EXPERTS,
    {
      path: ['mixture', 'experts'],
      message: `should be at most ${MAXIMUM_EXPERTS} in all layers together`,
    },
  );

function columnsOf(mixture: z.output<typeof mixtureSchema> | undefined): number {
  const { constant = 0 } = mixture?.zeroComputation ?? {};
  return (mixture?.experts ?? 1) + constant;
}

/** The check of an architecture that stands in a file. Keys that are not known stay. */
const storedArchitecture = architectureSchema as unknown as z.ZodType<Architecture>;

/** The same where some keys may be absent: what views show of plans, old ones among them, needs no more. */
export const partialArchitecture = keysSchema.partial();

/**
 * Reads an architecture that a file holds as JSON, whoever wrote it. Gives what is wrong in words where it is none that a model can have.
 */
export function readArchitecture(text: unknown): Architecture | { problem: string } {
  let value: unknown;
  try {
    value = typeof text === 'string' ? JSON.parse(text) : undefined;
  } catch {
    // Not even JSON: no architecture either.
  }
  if (typeof value !== 'object' || value === null) return { problem: 'it does not say its architecture' };
  const parsed = storedArchitecture.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  return { problem: `its architecture is wrong at ${path.join('.') || 'its top'} (${message})` };
}
