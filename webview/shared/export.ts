import type { Save } from '../../src/messages/contract';

/** Numbers as text, for a table and for a CSV file. */
export interface Numbers {
  header: readonly string[];
  /** As many cells as the header has; `null` where there is nothing. */
  rows: readonly (readonly (number | string | null)[])[];
}

/** Numbers as CSV (RFC 4180): full precision, text quoted where it must be. */
export function toCsv({ header, rows }: Numbers): string {
  const line = (cells: readonly (number | string | null)[]): string => cells.map(csvCell).join(',');
  return [header, ...rows].map((row) => `${line(row)}\r\n`).join('');
}

function csvCell(value: number | string | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '';
  // A spreadsheet would run a text that begins so as a formula.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Numbers as a Markdown table. */
export function toMarkdown({ header, rows }: Numbers): string {
  const line = (cells: readonly (number | string | null)[]): string =>
    `| ${cells.map((cell) => escapeMarkdown(String(cell ?? '-'))).join(' | ')} |\n`;
  const rule = `|${header.map((_, column) => (column ? ' ---: |' : ' --- |')).join('')}\n`;
  return line(header) + rule + rows.map(line).join('');
}

function escapeMarkdown(text: string): string {
  return text.replace(/[\\|]/g, '\\$&').replace(/</g, '&lt;').replace(/\s+/g, ' ');
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
