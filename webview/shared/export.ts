import { csvText } from '../../src/base/csv';
import { markdownCell } from '../../src/base/markdown';
import type { Save } from '../../src/messages/contract';

/** Numbers as text, for a table and for a CSV file. */
export interface Numbers {
  header: readonly string[];
  /** As many cells as the header has; `null` where there is nothing. */
  rows: readonly (readonly (number | string | null)[])[];
}

/** Numbers as CSV. */
export function toCsv({ header, rows }: Numbers): string {
  return csvText(header, rows);
}

/** Numbers as a Markdown table. */
export function toMarkdown({ header, rows }: Numbers): string {
  const line = (cells: readonly (number | string | null)[]): string =>
    `| ${cells.map((cell) => markdownCell(String(cell ?? '-'))).join(' | ')} |\n`;
  const rule = `|${header.map((_, column) => (column ? ' ---: |' : ' --- |')).join('')}\n`;
  return line(header) + rule + rows.map(line).join('');
}

/** What to send to the extension so that the user can save a text. `title` becomes the file's name. */
export function saveText(title: string, kind: 'csv' | 'md', content: string): Save {
  return { type: 'save', fileName: fileName(title, kind), kind, content };
}

/** What to send to the extension so that the user can save a picture. */
export function savePicture(title: string, canvas: { toDataURL(type: string): string }): Save {
  const content = canvas.toDataURL('image/png').replace(/^.*,/, '');
  return { type: 'save', fileName: fileName(title, 'png'), kind: 'png', content };
}

/** A name that every file system takes. */
export function fileName(title: string, kind: string): string {
  const name = title
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 100);
  return `${name || 'chart'}.${kind}`;
}
