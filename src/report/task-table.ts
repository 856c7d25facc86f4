import { markdownTable } from '../base/markdown';
import { textTable } from '../base/text-table';
import type { TaskResult } from '../events/event';
import type { ResultRow, ResultsTable } from './table';

/** What a task is measured by: its title as a column, and the share of right answers; `undefined` where it was not asked. */
interface TaskMeasure {
  title: string;
  read: (tasks: Readonly<Record<string, TaskResult>>) => { accuracy: number; examples: number } | undefined;
}

/** The measures of all tasks that were put to some stages: one of an exact match; the plain and the one by length of a multiple choice. */
export function taskMeasures(results: readonly Readonly<Record<string, TaskResult>>[]): TaskMeasure[] {
  const kinds = new Map(results.flatMap((tasks) => Object.entries(tasks).map(([name, { kind }]) => [name, kind])));
  return [...kinds].flatMap(([name, kind]) => {
    const measure = (title: string, key: 'accuracy' | 'normalizedAccuracy'): TaskMeasure => ({
      title,
      read: ({ [name]: found }) => {
        const accuracy = found?.[key];
        return accuracy === undefined ? undefined : { accuracy, examples: found!.examples };
      },
    });
    const plain = measure(name, 'accuracy');
    return kind === 'exact-match' ? [plain] : [plain, measure(`${name} (by length)`, 'normalizedAccuracy')];
  });
}

/** A measure as a column of a table: its standard error is sqrt(a (1 - a) / (n - 1)); `null` where a task was not asked. */
interface TaskColumn {
  title: string;
  value: (row: ResultRow) => { accuracy: number; error: number } | null;
}

/** The measures of every task of a table. */
export function taskColumns({ rows }: ResultsTable): TaskColumn[] {
  return taskMeasures(rows.map(({ tasks }) => tasks)).map(({ title, read }) => ({
    title,
    value: ({ tasks }) => {
      const found = read(tasks);
      return found ? { accuracy: found.accuracy, error: standardError(found.accuracy, found.examples) } : null;
    },
  }));
}

/** Of the mean of `examples` numbers that are 0 or 1. */
function standardError(accuracy: number, examples: number): number {
  return Math.sqrt((accuracy * (1 - accuracy)) / (examples - 1));
}

/** The tasks' header and cells as text; `undefined` where no stage has answered any. */
export function taskCells(table: ResultsTable): { header: string[]; rows: string[][] } | undefined {
  const columns = taskColumns(table);
  if (!columns.length) return undefined;
  const percent = (share: number): string => (100 * share).toFixed(1);
  const rows = table.rows.map((row) => [
    row.stage,
    ...columns.map(({ value }) => {
      const found = value(row);
      if (!found) return '-';
      return Number.isFinite(found.error)
        ? `${percent(found.accuracy)} ± ${percent(found.error)}`
        : percent(found.accuracy);
    }),
  ]);
  return { header: ['stage', ...columns.map(({ title }) => title)], rows };
}

/** What the numbers of the tasks are. */
export const TASK_CAPTION = 'Right answers in per cent, ± the standard error.';

/** For a document; empty where no stage has answered any. */
export function tasksAsMarkdown(table: ResultsTable): string {
  const cells = taskCells(table);
  return cells ? `${TASK_CAPTION}\n\n${markdownTable(cells.header, cells.rows)}` : '';
}

/** For a terminal; empty where no stage has answered any. */
export function tasksAsText(table: ResultsTable): string {
  const cells = taskCells(table);
  return cells ? `${TASK_CAPTION}\n${textTable(cells.header, cells.rows)}` : '';
}
