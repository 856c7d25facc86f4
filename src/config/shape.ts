import type { z } from 'zod';
import { closestName, type Diagnostic } from './diagnostics';
import { schemaOf } from './key-info';
import type { DataPath, Source } from './source';

/** How a diagnostic calls a key that the schema does not know. */
export function unknownKey(path: DataPath): string {
  return `the unknown key "${path.at(-1)}"`;
}

/** The diagnostics for one complaint of the schema: one for every unknown key, and the deepest for a choice of shapes. */
export function describeIssue(source: Source, issue: z.core.$ZodIssue): Diagnostic[] {
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
export function knownKeys(path: DataPath): string[] {
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
