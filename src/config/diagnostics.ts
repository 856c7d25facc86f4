/** A place in a file; lines and columns count from 1. */
export interface SourcePosition {
  line: number;
  column: number;
}

/** A mistake in an experiment file: where it is, what stands there and what was expected. */
export interface Diagnostic {
  /** Where in the data, e.g. `stages.bam.upcycle.experts.1`. */
  path: string;
  start: SourcePosition;
  end: SourcePosition;
  /** What stands there, short enough for one line. */
  found: string;
  expected: string;
}

/** One line for a terminal: `file:line:column path: expected …, found …`. */
export function formatDiagnostic(file: string, diagnostic: Diagnostic): string {
  const { path, start, found, expected } = diagnostic;
  return `${file}:${start.line}:${start.column} ${path || 'file'}: expected ${expected}, found ${found}`;
}

/** A value as a person would point at it, cut to a readable length. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'an empty value';
  const text = typeof value === 'number' ? String(value) : jsonText(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

/** YAML aliases can make a value that contains itself, which JSON cannot hold. */
function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return 'a value that contains itself';
  }
}

/** The candidate that is most like a misspelt word, or `undefined` if none is close (edit distance at most a third of its length). */
export function closestName(word: string, candidates: readonly string[]): string | undefined {
  const allowed = (name: string): number => Math.max(1, Math.floor(name.length / 3));
  const ranked = candidates
    .filter((name) => Math.abs(name.length - word.length) <= allowed(name))
    .map((name) => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= allowed(name))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.name;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, replaced));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, beforePrevious[j - 2]! + 1);
    }
    [beforePrevious, previous] = [previous, row];
  }
  return previous[b.length]!;
}
