import type { Operator } from './words';

const DAY = 86_400_000;
const UNITS: Record<string, number> = { k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12, p: 1e15, e: 1e18 };
const SECONDS: Record<string, number> = { '': 1, s: 1, min: 60, h: 3600, d: 86_400 };

/** The values from `from` up to, but not including, `to`; one value has both the same. */
export interface Span {
  from: number;
  to: number;
}

/** A number with a unit as counts have them: `4`, `-0.5`, `1e15`, `500k`, `1.5M`. */
export function readNumber(text: string): Span | undefined {
  const match = /^(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([kmbgtpe]?)$/i.exec(text);
  return match ? exactly(Number(match[1]) * (UNITS[match[2]!.toLowerCase()] ?? 1)) : undefined;
}

/** Seconds: `90`, `90s`, `10min`, `2h`, `1d`. */
export function readDuration(text: string): Span | undefined {
  const match = /^(\d+\.?\d*|\.\d+)(s|min|h|d|)$/i.exec(text);
  return match ? exactly(Number(match[1]) * SECONDS[match[2]!.toLowerCase()]!) : undefined;
}

/** Milliseconds since 1970: a whole day (`2026-11-01`) or a whole minute (`2026-11-01T17:15`), UTC. */
export function readDate(text: string): Span | undefined {
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d)?$/i.test(text)) return undefined;
  const from = Date.parse(text.length > 10 ? `${text}Z` : text);
  // A day that a month does not have would be taken as one of the next.
  if (Number.isNaN(from) || !new Date(from).toISOString().startsWith(text.toUpperCase())) return undefined;
  return { from, to: from + (text.length > 10 ? 60_000 : DAY) };
}

/** Whether a value stands so to a span, e.g. after all of it for `>`. */
export function compares(value: number, operator: Operator, { from, to }: Span): boolean {
  switch (operator) {
    case '<':
      return value < from;
    case '>':
      return from === to ? value > from : value >= to;
    case '<=':
      return from === to ? value <= from : value < to;
    case '>=':
      return value >= from;
    default:
      return from === to ? value === from : value >= from && value < to;
  }
}

function exactly(value: number): Span {
  return { from: value, to: value };
}
