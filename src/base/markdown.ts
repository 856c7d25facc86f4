/** A text as a cell of a Markdown table: on one line, with nothing that ends the cell or begins HTML. */
export function markdownCell(text: string): string {
  return text.replace(/[\\|]/g, '\\$&').replace(/</g, '&lt;').replace(/\s+/g, ' ');
}
