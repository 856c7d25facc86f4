import * as z from 'zod';
import { count, quantity } from './schema-values';

/** Tokens on which experts are measured where nobody says it. */
export const PRUNE_TOKENS = 8192;

/** Which FFN experts of a mixture are removed, and what becomes of their tokens. */
export const pruneSchema = z.strictObject({
  method: z
    .enum(['router-norm', 'similarity', 'usage', 'activation', 'random'])
    .describe(
      'Which experts stay: `router-norm` those whose router row grew most since the stage in `since`; `similarity` one merged expert of every group of similar ones; `usage` those with the most tokens; `activation` those with the largest gate times output; `random` some.',
    ),
  keep: count.optional().describe('FFN experts that stay in each layer.'),
  share: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('Instead of `keep`: the share of FFN experts that stays, rounded to whole experts.'),
  scope: z
    .enum(['layer', 'global'])
    .default('layer')
    .describe(
      '`layer` keeps as many experts in every layer; `global` compares the scores of all layers, which then keep different numbers.',
    ),
  since: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The earlier stage of the same mixture from whose end on router-norm counts the router's change. Other methods do not look at it.",
    ),
  similarity: z.enum(['outputs', 'weights']).optional().meta({
    default: 'outputs',
    description:
      'similarity only: compare what experts make of the same tokens (`outputs`, the default), or their `weights`.',
  }),
  routing: z.enum(['zero', 'masked']).optional().meta({
    default: 'zero',
    description:
      'What becomes of tokens that are sent to a removed expert: `zero` (default) passes them on without an FFN, `masked` sends them to the best one that stays. Always `masked` with similarity.',
  }),
  tokens: quantity.optional().meta({
    default: PRUNE_TOKENS,
    description:
      'Tokens of training text on which similarity of outputs, usage and activation are measured. Default 8192.',
  }),
});

export type PruneConfig = z.output<typeof pruneSchema>;

/** Whether a choice of experts needs the model to read text. */
export function readsText({ method, similarity }: { method?: unknown; similarity?: unknown }): boolean {
  if (method === 'similarity') return similarity !== 'weights';
  return method === 'usage' || method === 'activation';
}

/** How many of a layer's experts stay: `keep`, or `share` of them, at least one. */
export function keptExperts({ keep, share }: Pick<PruneConfig, 'keep' | 'share'>, experts: number): number {
  return keep ?? Math.max(1, Math.round(share! * experts));
}
