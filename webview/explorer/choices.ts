import * as z from 'zod';
import type { Asked } from '../../src/messages/explorer';
import type { Side } from './answers';
import { formSchema } from './settings';

const place = z.object({ layer: z.int(), expert: z.int() });
const checkpoint = z.object({ run: z.string(), stage: z.string(), step: z.int() });

/** What the user chose on the page. Kept while it is hidden, and over a reload of the window; root, run, stage and step say what it shows. */
const choicesSchema = z.object({
  root: z.string().default(''),
  run: z.string().default(''),
  stage: z.string().default(''),
  step: z.int().default(0),
  form: formSchema.default(formSchema.parse({})),
  view: z.union([z.int(), z.literal('all')]).default('all'),
  showsNumbers: z.boolean().nullable().default(null),
  change: z.object({ off: z.array(place), force: z.array(place) }).default({ off: [], force: [] }),
  /** The checkpoint that stands beside the shown one. */
  beside: checkpoint.nullable().default(null),
  /** Of the next request; no two of a panel have the same. */
  nextId: z.int().default(1),
  /** The answers that are shown, with what was asked as JSON. */
  shown: z
    .array(z.object({ id: z.int(), side: z.enum(['shown', 'changed', 'beside']), asked: z.string() }))
    .default([]),
});
export type Choices = z.output<typeof choicesSchema>;

/** Reads kept choices; those of another shape are forgotten. */
export function readChoices(kept: unknown): Choices {
  return choicesSchema.safeParse(kept ?? {}).data ?? choicesSchema.parse({});
}

/** A kept answer, with what was asked. Nothing where it cannot be read. */
export function readAsked({ id, side, asked }: Choices['shown'][number]): { id: number; side: Side; asked: Asked }[] {
  try {
    return [{ id, side, asked: JSON.parse(asked) as Asked }];
  } catch {
    return [];
  }
}
