import { type Document, isAlias, isMap, type Node } from 'yaml';
import type { DataPath } from './source';
import { type Entry, entriesOf, keyText, parseTree, type Span, spanOf } from './tree';

/** Where somebody is typing: which key or value it will be, and what stands around it. */
export interface Cursor {
  /** Of the key or value that is being typed; as a key, its last step is a stand-in. */
  path: DataPath;
  role: Entry['role'];
  /** Keys beside the one being typed. */
  siblings: string[];
  /** Inside of `{ }` or `[ ]`. */
  isFlow: boolean;
  /** A colon follows, so only the key itself is typed. */
  hasColon: boolean;
  /** The word at the cursor, before and behind it: what a completion replaces. */
  word: Span;
  /** The file as it would be with a stand-in at the cursor. */
  document: Document;
  text: string;
}

/** Stands for the word at the cursor while the text is parsed. */
const STAND_IN = 'bam0cursor0stand0in';

/**
 * Works out what is being typed at an offset of a text, broken or not: a stand-in takes the place of the word there, and the text
 * is read in the way that makes the fewest mistakes. `undefined` where nothing can be typed (a comment), or nothing can be read.
 */
export function cursorAt(text: string, offset: number): Cursor | undefined {
  const word = wordAt(text, offset);
  const rest = text.slice(word.end);
  const hasColon = /^["']?[ \t]*:(?=\s|$)/.test(rest);
  const best = bestReading(readingsOf(text.slice(0, word.start), rest, hasColon));
  if (!best) return undefined;
  const { document, text: read, entry } = best;
  const { path, role } = entry;
  const around = nodeAt(document, path.slice(0, -1));
  const keys = isMap(around) ? around.items.map((pair) => keyText(pair.key)) : [];
  const siblings = keys.filter((key) => key !== STAND_IN);
  return { path, role, siblings, isFlow: isInFlow(document, path), hasColon, word, document, text: read };
}

function wordAt(text: string, offset: number): Span {
  const before = /[A-Za-z0-9][A-Za-z0-9._-]*$/.exec(text.slice(0, offset).slice(-100))?.[0] ?? '';
  const behind = /^[A-Za-z0-9._-]*/.exec(text.slice(offset))![0];
  return { start: offset - before.length, end: offset + behind.length };
}

/** The texts that the unfinished line may become. */
function readingsOf(before: string, rest: string, hasColon: boolean): string[] {
  const plain = `${before}${STAND_IN}${rest}`;
  if (hasColon) return [plain];
  const isLineStart = /(^|\n)[ \t]*$/.test(before);
  if (isLineStart) return [`${before}${STAND_IN}:${rest}`, plain];
  const lineEnd = rest.search(/\r?\n|$/);
  return [plain, `${before}${STAND_IN},${rest}`, `${before}${STAND_IN}${rest.slice(lineEnd)}`];
}

interface Reading {
  document: Document;
  text: string;
  /** The stand-in. */
  entry: Entry;
}

/** The reading with the fewest mistakes among those in which the stand-in is a word of its own; the first of equals. */
function bestReading(candidates: readonly string[]): Reading | undefined {
  let best: Reading | undefined;
  for (const candidate of candidates) {
    const document = parseTree(candidate);
    const entry = document && [...entriesOf(document.contents)].find((each) => isStandIn(each, candidate));
    if (!entry || (best && best.document.errors.length <= document.errors.length)) continue;
    best = { document, text: candidate, entry };
    if (!document.errors.length) break;
  }
  return best;
}

function isStandIn({ node, role, path }: Entry, text: string): boolean {
  const { start, end } = spanOf(text, node);
  const word = text.slice(start, end).replace(/^(["'])(.*)\1$/, '$2');
  return word === STAND_IN && (role === 'value' || path.at(-1) === STAND_IN);
}

function nodeAt(document: Document, path: DataPath): Node | undefined {
  const node = path.length ? document.getIn(path, true) : document.contents;
  return isAlias(node) ? undefined : (node as Node | undefined);
}

function isInFlow(document: Document, path: DataPath): boolean {
  return path.some((_step, length) => {
    const node = nodeAt(document, path.slice(0, length));
    return node !== undefined && node !== null && 'flow' in node && node.flow === true;
  });
}
