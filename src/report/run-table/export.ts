import { csvText } from '../../base/csv';
import { markdownCell } from '../../base/markdown';
import type { Cell } from './cells';
import type { Column } from './columns';
import type { RunTable } from './run-table';

/** What is shown as CSV: numbers in full, times in ISO 8601, spread and difference in columns of their own. */
export function runTableCsv({ columns, rows }: RunTable): string {
  const hasDeviation = columns.map((_, i) => rows.some(({ cells }) => cells[i]!.deviation !== null));
  const hasDifference = columns.map((_, i) => rows.some(({ differences }) => differences[i]));
  const header = columns.flatMap(({ label }, i) => [
    label,
    ...(hasDeviation[i] ? [`${label} standard deviation`] : []),
    ...(hasDifference[i] ? [`${label} difference`] : []),
  ]);
  const cellsOf = ({ cells, differences }: RunTable['rows'][number]): (string | number | null)[] =>
    columns.flatMap((column, i) => [
      fileValue(column, cells[i]!),
      ...(hasDeviation[i] ? [cells[i]!.deviation] : []),
      ...(hasDifference[i] ? [differences[i]?.value ?? null] : []),
    ]);
  return csvText(header, rows.map(cellsOf));
}

function fileValue({ kind }: Column, { value }: Cell): string | number | null {
  return kind === 'time' && typeof value === 'number' ? new Date(value).toISOString() : value;
}

/** What is shown as a Markdown table. */
export function runTableMarkdown({ columns, rows }: RunTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(' | ')} |\n`;
  const rule = `|${columns.map(({ kind }) => (kind === 'measure' ? ' ---: |' : ' --- |')).join('')}\n`;
  const cellsOf = ({ cells, differences }: RunTable['rows'][number]): string[] =>
    cells.map(({ text }, i) => (differences[i] ? `${text}, ${differences[i].text}` : text || '-'));
  return line(columns.map(({ label }) => label)) + rule + rows.map((row) => line(cellsOf(row))).join('');
}
