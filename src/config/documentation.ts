import { describeKey, schemaOf } from './key-info';
import { nameAt } from './names';
import { type NamePlace, nameKindAt, outlineOfDocument } from './outline';
import { entryAt, parseTree, type Span, spanOf } from './tree';

/** What there is to say at a place of the file: about a key, or about a stage or domain (by its name). */
export type Subject = { kind: 'key'; span: Span; markdown: string } | NamePlace;

/** What the cursor points at; `undefined` where there is nothing to say. */
export function subjectAt(text: string, offset: number): Subject | undefined {
  const document = parseTree(text);
  const entry = document && entryAt(document, text, offset);
  if (!entry) return undefined;
  if (nameKindAt(entry.path, entry.role)) return nameAt(outlineOfDocument(document, text), offset);
  const keyPath = typeof entry.path.at(-1) === 'number' ? entry.path.slice(0, -1) : entry.path;
  const schema = schemaOf(keyPath);
  if (!schema?.description) return undefined;
  const head = `**${escapeMarkdown(String(keyPath.at(-1)))}**: ${escapeMarkdown(describeKey(keyPath, schema))}`;
  return { kind: 'key', span: spanOf(text, entry.node), markdown: `${head}\n\n${schema.description}` };
}

/** Text as Markdown that shows it as it is: names come from the file, and may hold anything. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]<>()#+!|~&-]/g, '\\$&').replace(/\s+/g, ' ');
}
