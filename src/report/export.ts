import { csvText } from '../base/csv';
import type { Summary } from '../base/statistics';
import { RunError } from '../base/errors';
import type { Database } from '../store/database';
import { queryCurves } from '../store/curves';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { queryRun } from '../store/queries';
import { servingsAsMarkdown, stageServings } from './serving-table';
import { type ResultsTable, resultsTable, tableAsMarkdown } from './table';
import { taskColumns, tasksAsMarkdown } from './task-table';
import { type VariantTable, variantTable } from './variant-table';

/** What of a run can be written to a file. */
export const EXPORTS = {
  results: 'Results of every stage (CSV)',
  seeds: 'Results over seeds (CSV)',
  steps: 'Every training step (CSV)',
  evaluations: 'Every held-out evaluation (CSV)',
  markdown: 'Results of every stage (Markdown)',
} as const;
export type ExportKind = keyof typeof EXPORTS;

/** The text of an export. Numbers are those of the index, in full. Throws a `RunError` (`unknown-run`, `no-variants`). */
export async function exportRun(workspace: Workspace, index: Database, id: string, kind: ExportKind): Promise<string> {
  const run = await queryRun(workspace, index, id);
  const table = resultsTable(run.stages, readPlan(workspace, id));
  if (kind === 'markdown') {
    const servings = servingsAsMarkdown(stageServings(workspace, run.stages));
    return `${[tableAsMarkdown(table), tasksAsMarkdown(table), servings].filter(Boolean).join('\n\n')}\n`;
  }
  if (kind === 'seeds') return seedsCsv(id, variantTable(run.stages, readPlan(workspace, id)));
  if (kind === 'results') return resultsCsv(table);
  const curves = await Promise.all(run.stages.map(({ name }) => queryCurves(index, id, name)));
  const named = run.stages.map(({ name }, i) => ({ name, ...curves[i]! }));
  if (kind === 'steps') {
    const columns = Object.keys(
      named.flatMap(({ steps }) => steps)[0] ?? {},
    ) as (keyof (typeof curves)[0]['steps'][0])[];
    const rows = named.flatMap(({ name, steps }) => steps.map((step) => [name, ...columns.map((key) => step[key])]));
    return csvText(['stage', ...columns], rows);
  }
  const rows = named.flatMap(({ name, evaluations }) =>
    evaluations.map(({ step, tokens, flops, perplexity, average }) => [
      ...[name, step, tokens, flops],
      ...table.domains.map((domain) => perplexity[domain] ?? null),
      average,
    ]),
  );
  return csvText(['stage', 'step', 'tokens', 'flops', ...table.domains, 'average'], rows);
}

function resultsCsv(table: ResultsTable): string {
  const tasks = taskColumns(table);
  const measures = [
    ...table.domains,
    'pooledLoss',
    'average',
    ...tasks.flatMap(({ title }) => [title, `${title} error`]),
  ];
  const header = ['stage', 'state', 'step', 'parameters', 'active', 'tokens', 'flops', ...measures];
  const rows = table.rows.map((row) => {
    const { stage, state, step, parameters, tokens, flops, perplexity, pooledLoss, average } = row;
    const answers = tasks.map(({ value }) => value(row));
    return [
      ...[stage, state, step, parameters?.total ?? null, parameters?.active ?? null, tokens, flops],
      ...table.domains.map((domain) => perplexity[domain] ?? null),
      ...[pooledLoss, average],
      ...answers.flatMap((found) => [found?.accuracy ?? null, found?.error ?? null]),
    ];
  });
  return csvText(header, rows);
}

/** Means, deviations and numbers of seeds of perplexities, losses and tasks, and the paired differences of averages. */
function seedsCsv(run: string, table: VariantTable | undefined): string {
  if (!table) {
    throw new RunError(`Run ${run} has one seed and no sweep.`, {
      reason: 'no-variants',
      advice: 'Its results have no spread: export them as "results".',
    });
  }
  const { paths, domains, baseline, rows } = table;
  const spread = (name: string): string[] => [name, `${name} standard deviation`, `${name} seeds`];
  const of = (summary: Summary | null | undefined): (number | null)[] =>
    summary ? [summary.mean, summary.deviation, summary.n] : [null, null, 0];
  const tasks = [...new Set(rows.flatMap((row) => Object.keys(row.tasks)))];
  const difference = ['difference', 'difference low', 'difference high', 'difference seeds', 'baseline'];
  return csvText(
    ['stage', ...paths, ...[...domains, 'average', 'pooled loss', ...tasks].flatMap(spread), ...difference],
    rows.map((row) => [
      ...[row.stage, ...row.values],
      ...[...domains.map((domain) => row.perplexity[domain]), row.average, row.pooledLoss].flatMap(of),
      ...tasks.flatMap((task) => of(row.tasks[task])),
      ...[row.difference?.mean ?? null, row.difference?.interval?.low ?? null, row.difference?.interval?.high ?? null],
      ...[row.difference?.n ?? 0, baseline],
    ]),
  );
}
