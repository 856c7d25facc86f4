import { markdownCell } from '../../base/markdown';
import type { Block } from './blocks';
import { studySections } from './document';
import type { Study } from './study';

/** A report as Markdown, with the columns of its tables aligned. */
export function studyMarkdown(study: Study): string {
  const sections = studySections(study).flatMap(({ title, blocks }) => [`## ${title}`, ...blocks.map(blockText)]);
  return `${[`# ${markdownCell(study.title)}`, ...sections].filter(Boolean).join('\n\n')}\n`;
}

function blockText(block: Block): string {
  switch (block.kind) {
    case 'text':
      return markdownCell(block.text);
    case 'list':
      return block.items.map((item) => `- ${markdownCell(item)}`).join('\n');
    case 'table':
      return `${markdownCell(block.caption)}\n\n${tableText(block.header, block.rows)}`;
    case 'file':
      return `${markdownCell(block.name)}:\n\n${fenced(block.text)}`;
    case 'figure':
      return '';
  }
}

function tableText(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows].map((row) => row.map(markdownCell));
  const widths = header.map((_, column) => Math.max(3, ...all.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(all[0]!), line(rule), ...all.slice(1).map(line)].join('\n');
}

/** A text between fences that are longer than any in it. */
function fenced(text: string): string {
  const longest = Math.max(0, ...Array.from(text.matchAll(/`+/g), ([ticks]) => ticks.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}yaml\n${text.trimEnd()}\n${fence}`;
}
