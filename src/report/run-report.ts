import type { Workspace } from '../store/layout';
import { withIndex } from '../store/index';
import { collectReport } from './collect';
import { renderReport } from './page';
import { servingsAsText } from './serving-table';
import { tableAsText, type ResultsTable } from './table';
import { tasksAsText } from './task-table';
import { variantsAsText, type VariantTable } from './variant-table';

/** A run's outcome for people (a table for the terminal, a self-contained HTML file) and for programs. */
export interface RunReport {
  table: string;
  html: string;
  results: ResultsTable;
  variants: VariantTable | undefined;
}

/** Makes the report of a run, finished or not, from its log. Throws a `RunError` (reason `unknown-run`). */
export async function reportRun(workspace: Workspace, run: string): Promise<RunReport> {
  const { value: data } = await withIndex(workspace, (index) => collectReport(workspace, index, run));
  const { results, variants, servings } = data;
  const parts = [
    tableAsText(results),
    tasksAsText(results),
    variants && variantsAsText(variants),
    servingsAsText(servings),
  ];
  return { table: parts.filter(Boolean).join('\n\n'), html: renderReport(data), results, variants };
}
