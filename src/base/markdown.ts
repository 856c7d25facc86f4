/** A text as a cell of a Markdown table: on one line, with nothing that ends the cell or begins HTML. */
export function markdownCell(text: string): string {
  return text.replace(/[\\|]/g, '\\$&').replace(/</g, '&lt;').replace(/\s+/g, ' ');
}

/** A table; numbers stand at the right, the first column at the left. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(' | ')} |`;
  return [line(header), `| --- |${' ---: |'.repeat(header.length - 1)}`, ...rows.map(line)].join('\n');
}

/** A text in which nothing is a link any more, for places that make links of `[text](address)` and know no escapes. */
export function unlinked(text: string): string {
  return text.replace(/\](?=\()/g, ']\u200b');
}
