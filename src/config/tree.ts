import { type Document, isMap, isNode, isScalar, isSeq, type Node, parseDocument, type Scalar } from 'yaml';
import { type DataPath, isTooDeep, MAXIMUM_FILE_LENGTH } from './source';

/** A stretch of text, in offsets; `end` is behind its last character. */
export interface Span {
  start: number;
  end: number;
}

/** A key or a value of the file, at its place. */
export interface Entry {
  /** Of the value; a key has the path of the value that it leads to. */
  path: DataPath;
  role: 'key' | 'value';
  node: Node;
  /** Only for keys: what stands behind it, if anything does. */
  value?: Node | undefined;
}

let last: { text: string; document: Document | undefined } | undefined;

/**
 * The YAML tree of a text that may be broken: what can be read of it, with its mistakes in `errors`. Not to be changed.
 * `undefined` for a text that is longer or nested deeper than an experiment file may be.
 * The last tree is kept: an editor asks for outline, folds and names of the same text one after the other.
 */
export function parseTree(text: string): Document | undefined {
  if (last?.text === text) return last.document;
  const isReadable = text.length <= MAXIMUM_FILE_LENGTH && !isTooDeep(text);
  last = { text, document: isReadable ? parseDocument(text, { prettyErrors: false }) : undefined };
  return last.document;
}

/** Every key and every value below a node, in the order of the text. Aliases are not followed. */
export function* entriesOf(node: Node | null | undefined, path: DataPath = []): Generator<Entry> {
  if (isMap(node)) {
    for (const pair of node.items) {
      const place = [...path, keyText(pair.key)];
      const value = isNode(pair.value) ? pair.value : undefined;
      if (isNode(pair.key)) yield { path: place, role: 'key', node: pair.key, value };
      if (value) yield* valueEntries(value, place);
    }
  } else if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) if (isNode(item)) yield* valueEntries(item, [...path, i]);
  }
}

function* valueEntries(node: Node, path: DataPath): Generator<Entry> {
  yield { path, role: 'value', node };
  yield* entriesOf(node, path);
}

/** A key as plain data has it. */
export function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

/** A node's text: for a scalar its quotes are part of it, for a group its trailing line breaks are not. */
export function spanOf(text: string, node: Node): Span {
  const [start, end] = node.range ?? [0, 0];
  return { start, end: start + text.slice(start, end).trimEnd().length };
}

/** The key or plain value that the cursor touches. */
export function entryAt(document: Document, text: string, offset: number): Entry | undefined {
  for (const entry of entriesOf(document.contents)) {
    if (!isScalar(entry.node)) continue;
    const { start, end } = spanOf(text, entry.node);
    if (start < end && start <= offset && offset <= end) return entry;
  }
  return undefined;
}

/** True for a value that is one piece of text. */
export function isText(node: Node | undefined): node is Scalar<string> {
  return isScalar(node) && typeof node.value === 'string';
}
