import * as z from 'zod';

/** What the user chose on the page. Kept while it is hidden, and over a reload of the window; `root` and `runs` say what it shows. */
const choicesSchema = z.object({
  root: z.string().default(''),
  runs: z.array(z.string()).default([]),
  xAxis: z.enum(['step', 'tokens', 'flops', 'time']).default('tokens'),
  isLogX: z.boolean().default(false),
  isLogY: z.boolean().default(false),
  /** What there is one chart for each of. */
  by: z.enum(['stage', 'domain']).default('stage'),
  /** Of charts by stage: a domain, or `average`. */
  domain: z.string().default('average'),
  /** Of charts by domain; empty for the last stage. */
  stage: z.string().default(''),
  showsDomains: z.boolean().default(false),
});
export type Choices = z.output<typeof choicesSchema>;

/** Reads kept choices; those of another shape are forgotten. */
export function readChoices(kept: unknown): Choices {
  return choicesSchema.safeParse(kept ?? {}).data ?? choicesSchema.parse({});
}
