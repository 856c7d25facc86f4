const UNITS: Record<string, number> = { '': 1, k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12, p: 1e15, e: 1e18 };

/**
 * Reads a count such as `2048`, `500k`, `1.5M`, `25B` or `1e15` (decimal units, any case).
 * Rounds to a whole number; returns `undefined` for anything else, and for a count below 1.
 */
export function parseQuantity(value: unknown): number | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const match = /^\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([kmbgtpe]?)\s*$/i.exec(text);
  if (!match) return undefined;
  const count = Math.round(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
  return count > 0 && Number.isFinite(count) ? count : undefined;
}
