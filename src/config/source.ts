import {
  type Document,
  type ErrorCode,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseDocument,
  Parser,
  visit,
  type YAMLError,
} from 'yaml';
import { describeValue, type Diagnostic } from './diagnostics';

/** Largest experiment file that is read, in characters. */
export const MAXIMUM_FILE_LENGTH = 200_000;

/** Most levels of values within values; an experiment needs six. */
const MAXIMUM_DEPTH = 100;

/** Most mistakes of YAML that are reported: one often causes the rest. */
const MAXIMUM_YAML_MISTAKES = 10;

export type DataPath = readonly (string | number)[];

/** A key of the file, and how it should have been spelt. */
export interface Respelling {
  path: DataPath;
  name: string;
}

/** A YAML file as plain data, with the place of every value. */
export interface Source {
  readonly data: unknown;
  /** Mistakes of the YAML itself. */
  readonly mistakes: Diagnostic[];
  /** A diagnostic at the value of `path`, or at the nearest key around it. */
  at(path: DataPath, expected: string, found?: string): Diagnostic;
  /** The same, at a key rather than its value. */
  atKey(path: DataPath, expected: string, found?: string): Diagnostic;
  /** Changes misspelt keys in `data`, not in the text. Returns those that it changed (a key behind a YAML alias has no place of its own). */
  respell(spellings: readonly Respelling[]): Respelling[];
}

/** Parses YAML 1.2 text. Never throws: a file that is no YAML gives its mistakes and no data. */
export function parseSource(text: string): Source {
  const lines = new LineCounter();
  const mistakes: Diagnostic[] = [];
  const place = (from: number, to: number, path: DataPath, expected: string, found: string): Diagnostic => ({
    path: path.join('.'),
    start: position(lines, from),
    end: position(lines, to),
    found,
    expected,
  });
  const document = parseText(text, lines, mistakes, place);
  let data = mistakes.length ? undefined : plainData(document, mistakes, place);
  return {
    get data() {
      return data;
    },
    mistakes,
    at(path, expected, found = describeValue(valueAt(data, path))) {
      return place(...valueRange(document, path), path, expected, found);
    },
    atKey(path, expected, found = describeValue(path.at(-1))) {
      return place(...(keyRange(document, path) ?? valueRange(document, path)), path, expected, found);
    },
    respell(spellings) {
      const changed = spellings.filter((spelling) => respellKey(document, spelling));
      if (changed.length) data = plainData(document, mistakes, place);
      return changed;
    },
  };
}

type Place = (from: number, to: number, path: DataPath, expected: string, found: string) => Diagnostic;

function position(lines: LineCounter, offset: number): Diagnostic['start'] {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function parseText(text: string, lines: LineCounter, mistakes: Diagnostic[], place: Place): Document {
  if (text.length > MAXIMUM_FILE_LENGTH) {
    mistakes.push(place(0, 0, [], `a file of at most ${MAXIMUM_FILE_LENGTH} characters`, `${text.length} characters`));
    return parseDocument('');
  }
  if (isTooDeep(text)) {
    mistakes.push(place(0, 0, [], `at most ${MAXIMUM_DEPTH} levels of nesting`, 'more'));
    return parseDocument('');
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const errors = document.errors.slice(0, MAXIMUM_YAML_MISTAKES);
  mistakes.push(...errors.map((error) => yamlMistake(text, error, place)));
  return document;
}

/**
 * Whether values are nested deeper than `MAXIMUM_DEPTH`. The YAML library composes them by recursion, and a file of a few
 * thousand brackets ends the whole process there; its parser of tokens keeps a stack of its own, which is asked here.
 */
export function isTooDeep(text: string): boolean {
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    Array.from(parser.next(token));
    if (parser.stack.length > MAXIMUM_DEPTH) return true;
  }
  return false;
}

/** Mistakes whose message in the YAML library would say less than these words. */
const YAML_MISTAKES: Partial<Record<ErrorCode, string>> = {
  TAB_AS_INDENT: 'spaces for indentation, no tab',
  DUPLICATE_KEY: 'a key that is not in its group already',
  MULTIPLE_DOCS: 'one YAML document',
};

function yamlMistake(text: string, error: YAMLError, place: Place): Diagnostic {
  const [from, to] = error.pos;
  const rest = text.slice(from, from + 200).split('\n')[0]!;
  const found = rest.trim() ? describeValue(rest.trimEnd()) : 'the end of the line';
  return place(from, to, [], YAML_MISTAKES[error.code] ?? `valid YAML (${error.message})`, found);
}

/** The document as data; an alias of nothing, and too many of them (a "billion laughs" file), count as mistakes. */
function plainData(document: Document, mistakes: Diagnostic[], place: Place): unknown {
  try {
    mistakes.push(...unknownAliases(document, place));
    return mistakes.length ? undefined : document.toJS({ maxAliasCount: 100 });
  } catch {
    mistakes.push(place(0, 0, [], 'at most 100 uses of YAML aliases', 'more, nested ones counted'));
    return undefined;
  }
}

function unknownAliases(document: Document, place: Place): Diagnostic[] {
  const anchors = new Set<string>();
  const mistakes: Diagnostic[] = [];
  visit(document, {
    Alias(_key, { source, range }) {
      if (anchors.has(source) || !range) return;
      mistakes.push(place(range[0], range[1], [], 'the name of an anchor (&name) further up', `*${source}`));
    },
    Value(_key, { anchor }) {
      if (anchor) anchors.add(anchor);
    },
  });
  return mistakes;
}

/** The value at a path of plain data; `undefined` where there is none. */
export function valueAt(data: unknown, path: DataPath): unknown {
  let value = data;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string | number, unknown>)[key];
  }
  return value;
}

/** The deepest node on a path, the key that leads to it, and whether it is the path's end. */
function follow(document: Document, path: DataPath): { key?: Node; value?: Node; arrived: boolean } {
  let at: { key?: Node; value?: Node } = document.contents ? { value: document.contents } : {};
  for (const step of path) {
    const next = child(at.value, step);
    if (!next) return { ...at, arrived: false };
    at = next;
  }
  return { ...at, arrived: true };
}

function child(node: Node | undefined, step: string | number): { key?: Node; value?: Node } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
    return pair && { ...(isNode(pair.key) && { key: pair.key }), ...(isNode(pair.value) && { value: pair.value }) };
  }
  const item = isSeq(node) ? node.items[Number(step)] : undefined;
  return isNode(item) ? { value: item } : undefined;
}

function valueRange(document: Document, path: DataPath): [number, number] {
  const { key, value, arrived } = follow(document, path);
  const range = (arrived && value?.range) || key?.range;
  if (range) return [range[0], range[1]];
  const start = value?.range?.[0] ?? 0;
  return [start, start];
}

function keyRange(document: Document, path: DataPath): [number, number] | undefined {
  const { key, arrived } = follow(document, path);
  return arrived && key?.range ? [key.range[0], key.range[1]] : undefined;
}

function respellKey(document: Document, { path, name }: Respelling): boolean {
  const { key, arrived } = follow(document, path);
  if (!arrived || !isScalar(key)) return false;
  key.value = name;
  return true;
}
