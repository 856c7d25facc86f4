/** A group of keys of the file as plain data, of which nothing is checked yet. */
export type Group = Record<string, unknown>;

/** The value if it is a group of keys, else an empty one. */
export function group(value: unknown): Group {
  return isGroup(value) ? value : {};
}

export function isGroup(value: unknown): value is Group {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0;
}
