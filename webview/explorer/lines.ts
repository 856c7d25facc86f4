/** Colours of curves in theme.css, which experts have too. */
export const COLORS = 8;
/** Lines under tokens: experts that share a colour, or whose colours somebody cannot tell apart, differ in them. */
const LINES = ['solid', 'dashed', 'dotted', 'double'] as const;

/** The line of an expert. */
export function lineOf(expert: number): (typeof LINES)[number] {
  return LINES[(expert + Math.floor(expert / COLORS)) % LINES.length]!;
}
