import * as z from 'zod';
import { CACHE_POLICIES, PRECISIONS } from '../base/offload-words';
import { count, quantity, share } from './schema-values';

/** How a mixture decodes whose FFN experts stay on the disk. */
export const serveSchema = z.strictObject({
  budget: z
    .number()
    .gt(0)
    .max(1)
    .describe('Share of all FFN experts, by their bytes in the precision of `high`, that memory has room for.'),
  policies: z
    .array(z.enum(CACHE_POLICIES))
    .min(1)
    .default(['hobbit', 'lru', 'on-demand'])
    .describe(
      'Which expert leaves memory, each measured: `hobbit` weighs latest use, uses, uses in high precision and the distance of its layer; `lru`, `lfu`; `on-demand` keeps none.',
    ),
  high: z.enum(PRECISIONS).default('float32').describe('Precision of the experts that matter most to a token.'),
  low: z
    .enum([...PRECISIONS, 'none'])
    .default('int4')
    .describe('Precision of those that matter less where they have to be loaded; `none` loads all in that of `high`.'),
  t1: share
    .default(0.6)
    .describe('An expert is loaded in low precision where the gates of the better ones of a token sum to more.'),
  t2: share.default(0.9).describe('An expert that is not in memory is left out where they sum to more than this.'),
  prefetch: z
    .int()
    .min(0)
    .max(3)
    .default(1)
    .describe('Layers ahead whose experts are foreseen and loaded; 0 for none.'),
  link: quantity
    .optional()
    .describe('Bytes a second of an emulated link, e.g. 3G: loads take so long. Default: the time that reading takes.'),
  texts: count.default(4).describe('Held-out texts of each domain; as many others choose the weights of `hobbit`.'),
  prompt: count.default(32).describe('Tokens of a text that are read at once.'),
  tokens: count.default(32).describe('Tokens behind them that are read one by one, as when a text is continued.'),
});

export type ServeConfig = z.output<typeof serveSchema>;
