import * as z from 'zod';
import { ROUTER_KINDS } from '../../src/base/router-words';

/** What the user chose on the page. Kept while it is hidden, and over a reload of the window; `root` and `run` say what it shows. */
export const choicesSchema = z.object({
  root: z.string().default(''),
  run: z.string().default(''),
  stage: z.string().default(''),
  xAxis: z.enum(['step', 'tokens', 'flops', 'time']).default('step'),
  isLogX: z.boolean().default(false),
  isLogY: z.boolean().default(false),
  smoothing: z.number().default(0),
  joinsSeeds: z.boolean().default(true),
  perplexityBy: z.enum(['stage', 'domain']).default('stage'),
  showsHeldOut: z.boolean().default(true),
  showsTraining: z.boolean().default(false),
  mixture: z.string().default(''),
  /** Of the heat maps: `each` held-out domain, `training` batches, or one domain with `domain:` before it. */
  text: z.string().default('each'),
  router: z.enum(ROUTER_KINDS).default('ffn'),
  layer: z.number().default(0),
});
export type Choices = z.output<typeof choicesSchema>;

/** Reads kept choices; those of another shape are forgotten. */
export function readChoices(kept: unknown): Choices {
  return choicesSchema.safeParse(kept ?? {}).data ?? choicesSchema.parse({});
}

/** Points on each side that a running mean goes over, for the places of the smoothing slider: 0, then 1, 2, 4, ... */
export function smoothingSpan(place: number): number {
  return place ? 2 ** (place - 1) : 0;
}
