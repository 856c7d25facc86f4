import { statSync } from 'node:fs';
import * as z from 'zod';
import { RunError } from '../base/errors';
import { readJson, writeFileAtomic } from '../base/files';
import type { Workspace } from './layout';

/** Longest title, note and tag that are kept, in characters. */
const MAXIMUM_LENGTH = { title: 200, note: 10_000, tag: 60 } as const;
/** Most tags of one run. */
const MAXIMUM_TAGS = 50;

const annotationsSchema = z.object({
  /** What people call the run; `null` for its id. */
  title: z.string().max(MAXIMUM_LENGTH.title).nullable().default(null),
  starred: z.boolean().default(false),
  tags: z.array(z.string().min(1).max(MAXIMUM_LENGTH.tag)).max(MAXIMUM_TAGS).default([]),
  note: z.string().max(MAXIMUM_LENGTH.note).nullable().default(null),
  /** Left out of lists unless asked for. */
  archived: z.boolean().default(false),
});

/** What people say about a run. It lies in `annotations.json` beside the log, so that it goes where the run goes. */
export type Annotations = z.output<typeof annotationsSchema>;

/** A run that nobody has annotated. */
export const NO_ANNOTATIONS: Annotations = { title: null, starred: false, tags: [], note: null, archived: false };

/** The annotations of a run; none where the file is missing or cannot be read. */
export function readAnnotations(workspace: Workspace, run: string): Annotations {
  try {
    return annotationsSchema.parse(readJson(workspace.annotationsFile(run)) ?? {});
  } catch {
    return NO_ANNOTATIONS;
  }
}

/** When the annotations were last written, in milliseconds since 1970; 0 if never. */
export function annotatedAt(workspace: Workspace, run: string): number {
  return statSync(workspace.annotationsFile(run), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Changes some annotations of a run and returns all. Throws a `RunError` (`unknown-run`, `bad-annotation`). */
export function annotate(workspace: Workspace, run: string, changes: Partial<Annotations>): Annotations {
  if (!statSync(workspace.runFolder(run), { throwIfNoEntry: false })) {
    throw new RunError(`There is no run ${run}.`, { reason: 'unknown-run', advice: '`bam runs` lists them.' });
  }
  const parsed = annotationsSchema.safeParse({ ...readAnnotations(workspace, run), ...changes });
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw new RunError(`The ${String(path[0])} of run ${run} cannot be kept (${message}).`, {
      reason: 'bad-annotation',
      advice: `Titles have up to ${MAXIMUM_LENGTH.title} characters, tags ${MAXIMUM_LENGTH.tag}, notes ${MAXIMUM_LENGTH.note}; a run has up to ${MAXIMUM_TAGS} tags.`,
    });
  }
  const annotations = { ...parsed.data, tags: [...new Set(parsed.data.tags)] };
  writeFileAtomic(workspace.annotationsFile(run), `${JSON.stringify(annotations, undefined, 2)}\n`);
  return annotations;
}
