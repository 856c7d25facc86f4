import { z } from 'zod';
import { checkMeaning } from './meaning';
import { closestName, describeValue, type Diagnostic } from './diagnostics';
import { experimentSchema, type Experiment } from './schema';
import { parseSource, type DataPath, type Source } from './source';

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
  const parsed = experimentSchema.safeParse(source.data ?? {});
  const shape = parsed.success ? [] : parsed.error.issues.flatMap((issue) => describeIssue(source, issue));
  const mistakes = [...shape, ...checkMeaning(source)];
  mistakes.sort((a, b) => a.start.line - b.start.line || a.start.column - b.start.column);
  return { experiment: parsed.success && !mistakes.length ? parsed.data : undefined, mistakes, source };
}

/** The diagnostics for one complaint of the schema; one for every unknown key. */
function describeIssue(source: Source, issue: z.core.$ZodIssue): Diagnostic[] {
  const path = issue.path as DataPath;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(path);
      return issue.keys.map((key) => {
        const close = closestName(key, known);
        return source.atKey(
          [...path, key],
          close ? `\`${close}\`` : `one of ${known.join(', ')}`,
          `the unknown key "${key}"`,
        );
      });
    }
    case 'invalid_union':
      return [source.at(path, unionExpectation(issue))];
    default:
      return [source.at(path, expectation(issue))];
  }
}

/** The keys that the schema knows at a place of the file. */
function knownKeys(path: DataPath): string[] {
  let schema: unknown = experimentSchema;
  for (const key of path) {
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) schema = inner.shape[key];
    else if (inner instanceof z.ZodRecord) schema = inner.valueType;
  }
  const object = unwrap(schema);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap();
  }
  return inner;
}

const TYPE_NAMES: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  object: 'a group of keys',
  record: 'a group of names',
  array: 'a list',
};

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return TYPE_NAMES[issue.expected] ?? issue.expected;
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
  if (origin === 'array') return `${relation} ${limit} entries`;
  return origin === 'string' ? 'text that is not empty' : `${relation} ${limit}`;
}

/** The alternatives of a union; where one of them got deeper into the value than the rest, its complaint alone. */
function unionExpectation(issue: z.core.$ZodIssueInvalidUnion): string {
  const deepest = issue.errors.flat().filter((inner) => inner.path.length > 0);
  if (deepest.length === 1) return `${expectation(deepest[0]!)} at ${describeValue(deepest[0]!.path.join('.'))}`;
  return [...new Set(issue.errors.flat().map(expectation))].join(' or ');
}
