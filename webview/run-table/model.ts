import type { TableColumn, TableMessage, TableRow, TableView } from '../../src/messages/contract';

/** What the page shows. */
export type Table = Extract<TableMessage, { type: 'table' }>;

/** Characters that a column shows at most; more are cut, and seen on hover. */
const MAXIMUM_CHARACTERS = 44;
/** Room for the sign of the sorting beside a column's name. */
const SORT_CHARACTERS = 2;

export function shownColumns({ columns }: Table): TableColumn[] {
  return columns.filter(({ isShown }) => isShown);
}

/** Characters of each shown column, so that every row fits and no scrolling changes a width. */
export function columnCharacters(table: Table): number[] {
  return shownColumns(table).map(({ id, label }, column) => {
    const texts = table.rows.map((row) => (id === 'run' ? rowName(row, column) : cellText(row, column)));
    const longest = texts.reduce((most, text) => Math.max(most, text.length), label.length + SORT_CHARACTERS);
    return Math.min(longest, MAXIMUM_CHARACTERS);
  });
}

/** What a cell shows: its text, and how much more that is than in the baseline. */
export function cellText({ cells, differences }: TableRow, column: number): string {
  return [cells[column], differences[column]].filter(Boolean).join(' ');
}

/** What the column `run` shows. */
export function rowName({ cells, isBaseline }: TableRow, column: number): string {
  return isBaseline ? `(baseline) ${cells[column]!}` : cells[column]!;
}

/** The view sorted by a column; a second time, the other way round. Newest and starred come first at the first time. */
export function sortedBy({ sort }: TableView, column: string): Pick<TableView, 'sort'> {
  const isDescending = column === 'started' || column === 'starred';
  return { sort: { column, descending: sort.column === column ? !sort.descending : isDescending } };
}

/** The shown columns with one of them at another place. */
export function moved(columns: readonly string[], id: string, to: number): string[] {
  const others = columns.filter((other) => other !== id);
  const place = Math.max(0, Math.min(others.length, to));
  return [...others.slice(0, place), id, ...others.slice(place)];
}

/** Which rows are seen, and some beyond, in whole steps, so that few movements change anything. */
export function seenRows(top: number, height: number, rowHeight: number, count: number): [from: number, to: number] {
  const step = 10;
  const from = Math.floor(top / rowHeight / step) * step - step;
  const to = Math.ceil((top + height) / rowHeight / step) * step + step;
  return [Math.max(0, Math.min(from, count)), Math.max(0, Math.min(to, count))];
}
