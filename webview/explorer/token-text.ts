/** A piece of a token's text as it is shown. */
export interface Piece {
  text: string;
  /** Stands for something that cannot be seen. */
  isMark: boolean;
  /** A new line begins behind it. */
  endsLine: boolean;
}

const MARKS: Record<string, string> = { ' ': '·', '\t': '⇥', '\n': '↵', '\r': '␍', '\u00a0': '⍽' };
/** Stands for a token that is only a part of a character, or of a control character. */
export const PART = '▯';

/** A token's text with marks for what cannot be seen; the mark of a part of a character where it is empty. */
export function piecesOf(text: string): Piece[] {
  if (!text) return [{ text: PART, isMark: true, endsLine: false }];
  const pieces: Piece[] = [];
  for (const character of text) {
    const mark = MARKS[character] ?? (/\p{Cc}/u.test(character) ? PART : undefined);
    const last = pieces.at(-1);
    if (mark === undefined && last && !last.isMark) last.text += character;
    else pieces.push({ text: mark ?? character, isMark: mark !== undefined, endsLine: character === '\n' });
  }
  return pieces;
}

/** A token's text in one line, in quotes, for titles and screen readers. */
export function quoted(text: string): string {
  return text ? JSON.stringify(text) : 'part of a character';
}
