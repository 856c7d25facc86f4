import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import { describeValue, type Diagnostic } from './diagnostics';

/** Largest experiment file that is read, in characters. */
export const MAXIMUM_FILE_LENGTH = 1_000_000;

export type DataPath = readonly (string | number)[];

/** A YAML file as plain data, with the place of every value. */
export interface Source {
  data: unknown;
  /** Mistakes of the YAML itself. */
  mistakes: Diagnostic[];
  /** A diagnostic at the value of `path`, or at the nearest value around it. */
  at(path: DataPath, expected: string, found?: string): Diagnostic;
  /** The same, at a key rather than its value. */
  atKey(path: DataPath, expected: string, found?: string): Diagnostic;
}

/** Parses YAML 1.2 text. Never throws: a file that is no YAML gives its mistakes and no data. */
export function parseSource(text: string): Source {
  const lines = new LineCounter();
  const oversized = text.length > MAXIMUM_FILE_LENGTH;
  const document = parseDocument(oversized ? '' : text, { lineCounter: lines, uniqueKeys: true });
  const place = (from: number, to: number, path: DataPath, expected: string, found: string): Diagnostic => {
    const start = lines.linePos(from);
    const end = lines.linePos(to);
    return {
      path: path.join('.'),
      start: { line: Math.max(1, start.line), column: Math.max(1, start.col) },
      end: { line: Math.max(1, end.line), column: Math.max(1, end.col) },
      found,
      expected,
    };
  };
  const mistakes = document.errors.map((error) =>
    place(error.pos[0], error.pos[1], [], 'YAML', firstLine(error.message)),
  );
  if (oversized) {
    mistakes.push(place(0, 0, [], `a file of at most ${MAXIMUM_FILE_LENGTH} characters`, `${text.length} characters`));
  }
  const data = mistakes.length ? undefined : plainData(document, mistakes, place);
  return {
    data,
    mistakes,
    at(path, expected, found) {
      const [from, to] = valueRange(document, path);
      return place(from, to, path, expected, found ?? describeValue(document.getIn(path)));
    },
    atKey(path, expected, found) {
      const [from, to] = keyRange(document, path) ?? valueRange(document, path);
      return place(from, to, path, expected, found ?? describeValue(path.at(-1)));
    },
  };
}

type Place = (from: number, to: number, path: DataPath, expected: string, found: string) => Diagnostic;

/** The document as data; too many aliases (a "billion laughs" file) count as a mistake. */
function plainData(document: Document, mistakes: Diagnostic[], place: Place): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    mistakes.push(place(0, 0, [], 'at most 100 uses of YAML aliases', firstLine((error as Error).message)));
    return undefined;
  }
}

function firstLine(text: string): string {
  return text.split('\n')[0]!;
}

function valueRange(document: Document, path: DataPath): [number, number] {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    const range = (node as { range?: [number, number, number] | null } | undefined)?.range;
    if (range)
      return length === path.length
        ? [range[0], range[1]]
        : (keyRange(document, path.slice(0, length)) ?? [range[0], range[1]]);
  }
  const range = document.contents?.range;
  return range ? [range[0], range[0]] : [0, 0];
}

function keyRange(document: Document, path: DataPath): [number, number] | undefined {
  const parent: unknown = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  if (!isMap(parent)) return undefined;
  const key = parent.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === String(path.at(-1)))?.key;
  return isScalar(key) && key.range ? [key.range[0], key.range[1]] : undefined;
}
