import type { TableView } from '../../messages/contract';
import type { TableRun } from '../../store/run-table';
import { type Cell, cellOf, compareValues, type Difference, differenceOf } from './cells';
import { allColumns, type Column } from './columns';
import { parseQuery } from './query';

/** A row: one run, or the runs of a group, newest first. */
export interface Row {
  runs: TableRun[];
  isBaseline: boolean;
  /** One a shown column. */
  cells: Cell[];
  /** How much more each cell is than in the baseline; nothing without a baseline. */
  differences: (Difference | null)[];
}

/** The run table as it is looked at. */
export interface RunTable {
  /** The shown columns, in their order. */
  columns: Column[];
  /** The others. */
  hidden: Column[];
  rows: Row[];
  /** Runs before filtering. */
  total: number;
  /** What is wrong with the query; `null` if nothing is. */
  problem: string | null;
}

/** Filters, groups, compares and sorts runs (newest first) as the view says. `configOf` gives runs that differ in their seed only the same text. */
export function runTable(runs: readonly TableRun[], view: TableView, configOf: (run: string) => string): RunTable {
  const { columns, hidden } = chooseColumns(allColumns(runs, view.grouped), view.columns);
  const { matches, problem } = parseQuery(view.query, runs);
  const found = runs.filter(matches);
  const groups = view.grouped ? [...groupBy(found, ({ id }) => configOf(id)).values()] : found.map((run) => [run]);
  const baseline = baselineRuns(runs, view, configOf);
  const baselineCells = baseline && columns.map((column) => cellOf(column, baseline));
  const rows = groups.map((members) => {
    const cells = columns.map((column) => cellOf(column, members));
    const isBaseline = members.some(({ id }) => id === view.baseline);
    const compare = (column: Column, i: number): Difference | null =>
      isBaseline ? null : differenceOf(column, cells[i]!, baselineCells![i]!);
    return { runs: members, isBaseline, cells, differences: baselineCells ? columns.map(compare) : [] };
  });
  const sorted = sortRows(rows, [...columns, ...hidden], view.sort);
  return { columns, hidden, rows: sorted, total: runs.length, problem };
}

function chooseColumns(all: readonly Column[], chosen: readonly string[] | null): Pick<RunTable, 'columns' | 'hidden'> {
  const byId = new Map(all.map((column) => [column.id, column]));
  const known = [...new Set(chosen ?? [])].flatMap((id) => byId.get(id) ?? []);
  // A choice of which nothing is left, e.g. in a workspace whose runs were deleted, would be an empty table.
  const columns = known.length ? known : all.filter(({ isDefault }) => isDefault);
  return { columns, hidden: all.filter((column) => !columns.includes(column)) };
}

/** The baseline counts even where the query hides it. In a grouped table it is the group that the run belongs to. */
function baselineRuns(
  runs: readonly TableRun[],
  { baseline, grouped, query }: TableView,
  configOf: (run: string) => string,
): TableRun[] | undefined {
  const run = runs.find(({ id }) => id === baseline);
  if (!run || !grouped) return run && [run];
  const config = configOf(run.id);
  const { matches } = parseQuery(query, runs);
  const members = runs.filter((member) => configOf(member.id) === config);
  return members.some(matches) ? members.filter(matches) : members;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Rows without a value come last in both directions; equal ones stay newest first. */
function sortRows(rows: readonly Row[], columns: readonly Column[], { column, descending }: TableView['sort']): Row[] {
  const by = columns.find(({ id }) => id === column);
  if (!by) return [...rows];
  const keyed = rows.map((row) => ({ row, value: cellOf(by, row.runs).value }));
  keyed.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return (descending ? -1 : 1) * compareValues(a.value, b.value);
  });
  return keyed.map(({ row }) => row);
}
