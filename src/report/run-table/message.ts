import type { TableMessage, TableView } from '../../messages/contract';
import { runTitle } from './measures';
import type { Column } from './columns';
import type { RunTable } from './run-table';

/** The run table as its page gets it. */
export function runTableMessage(root: string, view: TableView, table: RunTable): TableMessage {
  const describe =
    (isShown: boolean) =>
    ({ id, label, kind }: Column) => ({ id, label, isNumber: kind === 'measure', isShown });
  const rows = table.rows.map(({ runs, isBaseline, cells, differences }) => ({
    runs: runs.map(({ id }) => id),
    title: runTitle(runs[0]!),
    starred: runs.some(({ starred }) => starred),
    isBaseline,
    cells: cells.map(({ text }) => text),
    differences: differences.map((difference) => difference?.text ?? ''),
  }));
  const columns = [...table.columns.map(describe(true)), ...table.hidden.map(describe(false))];
  return { type: 'table', root, view, columns, rows, total: table.total, queryProblem: table.problem };
}
