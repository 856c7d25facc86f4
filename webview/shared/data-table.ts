import { element } from './dom';
import type { Numbers } from './export';
import { spread } from '../../src/base/curves';

/** Rows that a table of numbers has at most. */
export const MAXIMUM_ROWS = 200;

/** A table that screen readers and the keyboard can walk; long ones show evenly spread rows and say so in the caption. */
export function dataTable(
  caption: string,
  { header, rows }: Numbers,
  format: (value: number, column: number) => string = (value) => String(value),
): HTMLElement {
  const shown = spread(rows, MAXIMUM_ROWS);
  const part =
    shown.length < rows.length ? ` (${shown.length} of ${rows.length} rows, evenly spread; CSV has all)` : '';
  const cells = (row: Numbers['rows'][number]): HTMLElement[] =>
    row.map((value, column) => {
      const text = value === null ? '-' : typeof value === 'number' ? format(value, column) : value;
      return column ? element('td', {}, text) : element('th', { scope: 'row' }, text);
    });
  const table = element(
    'table',
    {},
    element('caption', {}, caption + part),
    element('thead', {}, element('tr', {}, ...header.map((title) => element('th', { scope: 'col' }, title)))),
    element('tbody', {}, ...shown.map((row) => element('tr', {}, ...cells(row)))),
  );
  return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, table);
}
