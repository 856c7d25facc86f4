import { formatDifference } from '../../base/difference';
import { summarize } from '../../base/statistics';
import type { TableRun } from '../../store/run-table';
import { type Column, COUNT_COLUMN } from './columns';
import { runTitle } from './measures';

/** What a row shows in a column. */
export interface Cell {
  text: string;
  /** For sorting and for files; of several runs the mean of a measure. */
  value: number | string | null;
  /** Sample standard deviation over the seeds of a run or the runs of a group; `null` for fewer than two numbers. */
  deviation: number | null;
}

/** Distinct values of a group that are listed; more are counted. */
const MAXIMUM_LISTED = 4;

/** The cell of one run, or of the runs of a group, newest first. */
export function cellOf(column: Column, runs: readonly TableRun[]): Cell {
  if (column === COUNT_COLUMN) return plain(String(runs.length), runs.length);
  if (column.values) return meanCell(column, runs.flatMap(column.values));
  if (runs.length === 1) return runCell(column, runs[0]!);
  if (column.id === 'run') return plain(`${runTitle(runs[0]!)} and ${runs.length - 1} more`);
  const values = runs.map((run) => column.value(run)).filter((value) => value !== null);
  if (!values.length) return plain('', null);
  const numbers = values.filter((value) => typeof value === 'number');
  if (column.kind === 'measure') return meanCell(column, numbers);
  if (column.kind === 'time') return runCell({ ...column, value: () => Math.max(...numbers) }, runs[0]!);
  const distinct = [...new Set(values)].sort(compareValues);
  if (distinct.length > MAXIMUM_LISTED) return plain(`${distinct.length} values`);
  return plain(distinct.map(String).join(', '), distinct.length === 1 ? distinct[0] : undefined);
}

function runCell({ value, format }: Column, run: TableRun): Cell {
  const known = value(run);
  return plain(typeof known === 'number' ? format(known) : (known ?? ''), known);
}

function plain(text: string, value: Cell['value'] = text): Cell {
  return { text, value, deviation: null };
}

function meanCell({ format }: Column, values: readonly number[]): Cell {
  const summary = summarize(values);
  if (!summary) return plain('', null);
  const { mean, deviation } = summary;
  if (deviation === null) return plain(format(mean), mean);
  return { text: `${format(mean)} ± ${format(deviation)}`, value: mean, deviation };
}

/** Numbers by size, texts as people sort them (`seed 2` before `seed 10`), numbers before texts. */
export function compareValues(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return COLLATOR.compare(a, b);
  return typeof a === 'number' ? -1 : 1;
}

const COLLATOR = new Intl.Collator('en', { numeric: true });

/** How much more a measure is than in the baseline. */
export interface Difference {
  value: number;
  /** With its sign and in percent. */
  text: string;
}

/** `null` where there is nothing to compare. */
export function differenceOf({ kind, format }: Column, cell: Cell, baseline: Cell): Difference | null {
  if (kind !== 'measure' || typeof cell.value !== 'number' || typeof baseline.value !== 'number') return null;
  return { value: cell.value - baseline.value, text: formatDifference(cell.value, baseline.value, format) };
}
