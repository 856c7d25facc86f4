import type { z } from 'zod';
import { checkMeaning } from './meaning';
import { closestName, type Diagnostic } from './diagnostics';
import { schemaOf } from './key-info';
import { experimentSchema, type Experiment } from './schema';
import { parseSource, type DataPath, type Respelling, type Source, valueAt } from './source';

/** What came of reading an experiment file: the experiment if there is no mistake, and every mistake found. */
export interface ParsedExperiment {
  experiment: Experiment | undefined;
  mistakes: Diagnostic[];
  source: Source;
}

/**
 * Reads the text of an experiment file. Reports all of its mistakes at once, those of shape (a missing or misspelt key,
 * a wrong type) and those of meaning (a stage that does not exist, a cycle), in the order of the file.
 */
export function parseExperiment(text: string): ParsedExperiment {
  const source = parseSource(text);
  if (source.mistakes.length) return { experiment: undefined, mistakes: source.mistakes, source };
  if (source.data === null || source.data === undefined) {
    const nothing = source.at([], 'an experiment: name, model, domains and stages', 'an empty file');
    return { experiment: undefined, mistakes: [nothing], source };
  }
  const misspelt = respellKeys(source);
  const parsed = experimentSchema.safeParse(source.data);
  const shape = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describeIssue(source, issue));
  const mistakes = [...misspelt, ...shape, ...checkMeaning(source)];
  mistakes.sort((a, b) => a.start.line - b.start.line || a.start.column - b.start.column);
  return { experiment: parsed.success && !mistakes.length ? parsed.data : undefined, mistakes, source };
}

/**
 * Reports unknown keys that are like a known one which is absent, and reads on as if they were spelt right, so that a slip is one
 * mistake: without this, `widht` would also be a missing `width`. Values under such a key are looked at in the next round.
 */
function respellKeys(source: Source): Diagnostic[] {
  const mistakes: Diagnostic[] = [];
  for (;;) {
    const respelt = source.respell(misspeltKeys(source));
    if (!respelt.length) return mistakes;
    for (const { path, name } of respelt) {
      const place = source.atKey([...path.slice(0, -1), name], `\`${name}\``, unknownKey(path));
      mistakes.push({ ...place, path: path.join('.') });
    }
  }
}

function misspeltKeys(source: Source): Respelling[] {
  const issues = experimentSchema.safeParse(source.data).error?.issues ?? [];
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [];
    const place = issue.path as DataPath;
    const free = new Set(knownKeys(place).filter((key) => valueAt(source.data, [...place, key]) === undefined));
    return issue.keys.flatMap((key) => {
      const name = closestName(key, [...free]);
      return name !== undefined && free.delete(name) ? [{ path: [...place, key], name }] : [];
    });
  });
}

function unknownKey(path: DataPath): string {
  return `the unknown key "${path.at(-1)}"`;
}

/** The diagnostics for one complaint of the schema: one for every unknown key, and the deepest for a choice of shapes. */
function describeIssue(source: Source, issue: z.core.$ZodIssue): Diagnostic[] {
  const path = issue.path as DataPath;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const place = [...path, key];
        const known = knownKeys(path);
        const close = closestName(key, known);
        return source.atKey(place, close ? `\`${close}\`` : `one of ${known.join(', ')}`, unknownKey(place));
      });
    case 'invalid_union': {
      const inside = issue.errors.find((issues) => issues.every((inner) => inner.path.length > 0));
      if (!inside) return [source.at(path, issue.message)];
      return inside.flatMap((inner) => describeIssue(source, { ...inner, path: [...issue.path, ...inner.path] }));
    }
    default:
      return [source.at(path, expectation(issue, path))];
  }
}

/** The keys that the schema knows at a place of the file. */
function knownKeys(path: DataPath): string[] {
  return Object.keys(schemaOf(path)?.properties ?? {});
}

const TYPE_NAMES: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  object: 'a group of keys',
  record: 'a group of named entries',
  array: 'a list',
};

function expectation(issue: z.core.$ZodIssue, path: DataPath): string {
  switch (issue.code) {
    case 'invalid_type':
      // zod asks for "number" where a whole number is missing; "int" only where a fraction stands.
      return schemaOf(path)?.type === 'integer' ? TYPE_NAMES.int! : (TYPE_NAMES[issue.expected] ?? issue.expected);
    case 'invalid_value':
      return issue.values.length > 1 ? `one of ${issue.values.join(', ')}` : String(issue.values[0]);
    case 'too_small':
      return bound(issue.origin, issue.inclusive ? 'at least' : 'more than', issue.minimum);
    case 'too_big':
      return bound(issue.origin, issue.inclusive ? 'at most' : 'less than', issue.maximum);
    default:
      return issue.message;
  }
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'array') return `${relation} ${limit === 1 ? 'one entry' : `${limit} entries`}`;
  return origin === 'string' ? 'text that is not empty' : `${relation} ${limit}`;
}
