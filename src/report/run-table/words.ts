/** A term of a query as it stands in the text. */
export interface Word {
  /** Where it begins, counted from 1. */
  at: number;
  isNegated: boolean;
  /** What stands before the operator; `undefined` for a free word. */
  field: string | undefined;
  operator: Operator | undefined;
  value: string;
  isQuoted: boolean;
  /** A quote that is not closed. */
  isOpen: boolean;
}

export type Operator = ':' | '=' | '<' | '<=' | '>' | '>=';

const TERM = /(-?)(?:([^\s":=<>]+)(<=|>=|[:=<>]))?(?:"([^"]*)("?)|(\S*))/y;

/** Cuts a query into terms at its blanks; quotes keep blanks together. */
export function splitQuery(text: string): Word[] {
  const words: Word[] = [];
  for (let at = 0; at < text.length;) {
    TERM.lastIndex = at;
    const [whole, minus, field, operator, quoted, end, plain] = TERM.exec(text)!;
    if (whole.trim()) {
      const value = quoted ?? plain ?? '';
      const isQuoted = quoted !== undefined;
      const isOpen = isQuoted && end === '';
      const negation = { at: at + 1, isNegated: minus === '-' };
      words.push({ ...negation, field, operator: operator as Operator, value, isQuoted, isOpen });
    }
    at += whole.length || 1;
  }
  return words;
}

/** Whether a text is what a pattern says: `*` stands for anything, upper and lower case are the same. */
export function matchesPattern(pattern: string, text: string): boolean {
  // No regular expression: a pattern of many stars would make it search for ever.
  const [first = '', ...parts] = pattern.toLowerCase().split('*');
  const whole = text.toLowerCase();
  if (!parts.length) return whole === first;
  if (!whole.startsWith(first)) return false;
  const last = parts.pop()!;
  let at = first.length;
  for (const part of parts) {
    const found = whole.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return whole.length - last.length >= at && whole.endsWith(last);
}
