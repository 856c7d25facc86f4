import { experimentJsonSchema } from './schema';
import type { DataPath } from './source';

/** The part of a JSON schema that the schema of the experiment file uses. */
export interface KeySchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: string[];
  const?: string;
  anyOf?: KeySchema[];
  properties?: Record<string, KeySchema>;
  required?: string[];
  additionalProperties?: KeySchema | boolean;
  items?: KeySchema;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
}

let experiment: KeySchema | undefined;

/** The schema of the value at a path; `undefined` where the file may have none. */
export function schemaOf(path: DataPath): KeySchema | undefined {
  experiment ??= experimentJsonSchema() as KeySchema;
  return path.reduce<KeySchema | undefined>((schema, step) => schema && below(schema, step), experiment);
}

function below(schema: KeySchema, step: string | number): KeySchema | undefined {
  for (const shape of shapesOf(schema)) {
    if (typeof step === 'number') {
      if (shape.items) return shape.items;
      continue;
    }
    if (shape.properties && Object.hasOwn(shape.properties, step)) return shape.properties[step];
    if (typeof shape.additionalProperties === 'object') return shape.additionalProperties;
  }
  return undefined;
}

/** The shapes that a value may have. */
export function shapesOf(schema: KeySchema): KeySchema[] {
  return schema.anyOf ?? [schema];
}

/** The words that may stand as the value: of an enumeration, or true and false. */
export function wordsOf(schema: KeySchema): string[] {
  return shapesOf(schema).flatMap((shape) => {
    if (shape.type === 'boolean') return ['true', 'false'];
    return shape.const === undefined ? (shape.enum ?? []) : [shape.const];
  });
}

/** True for a value that is a group of keys, and nothing else. */
export function isGroup(schema: KeySchema): boolean {
  return schema.type === 'object';
}

/** What kind of value a key takes, in words, e.g. `whole number, more than 0`. */
export function describeType(schema: KeySchema): string {
  const words = wordsOf(schema);
  if (words.length && !schema.anyOf) return words.join(' | ');
  return shapesOf(schema)
    .map((shape) => (shape.const === undefined ? [typeName(shape), ...bounds(shape)].join(', ') : shape.const))
    .join(', or ');
}

function typeName({ type, properties, items }: KeySchema): string {
  if (Array.isArray(type)) return 'count such as 2048, 500k or 1M';
  if (type === 'object') return properties ? 'group of keys' : 'group of named entries';
  if (type === 'array') return `list of ${items?.type === 'string' ? 'texts' : 'values'}`;
  if (type === 'integer') return 'whole number';
  return type === 'string' ? 'text' : (type ?? 'value');
}

function bounds({ minimum, exclusiveMinimum, maximum, exclusiveMaximum }: KeySchema): string[] {
  const limits: [string, number | undefined][] = [
    ['at least', minimum],
    ['more than', exclusiveMinimum],
    // zod writes the largest exact integer where there is no limit.
    ['at most', maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum],
    ['less than', exclusiveMaximum],
  ];
  return limits.flatMap(([relation, limit]) => (limit === undefined ? [] : [`${relation} ${limit}`]));
}

/** The default as the file would write it; `undefined` where there is none to show. */
export function defaultText(schema: KeySchema): string | undefined {
  return schema.default === undefined || typeof schema.default === 'object' ? undefined : String(schema.default);
}

/** Kind of value and default in one line, e.g. `whole number, more than 0; default 16`. */
export function describeKey(path: DataPath, schema: KeySchema): string {
  const isRequired = schemaOf(path.slice(0, -1))?.required?.includes(String(path.at(-1))) ?? false;
  const preset = defaultText(schema);
  return `${describeType(schema)}${preset === undefined ? '' : `; default ${preset}`}${isRequired ? '; required' : ''}`;
}
