import type { Tokenizer } from '../data/tokenizer';

/** So many tokens a character can be cut into, less one. */
const MOST_PIECES = 3;

/** Turns tokens into text one by one. */
export class TextStream {
  /** Since the text before the last that was given: tokenizers write some tokens differently at the beginning. */
  private readonly tokens: number[] = [];
  /** Of those, how many have given their text. */
  private given = 0;

  constructor(private readonly tokenizer: Pick<Tokenizer, 'decode'>) {}

  /** What a token adds to the text: nothing while it ends within a character, all of the character once that is whole. */
  push(token: number): string {
    this.tokens.push(token);
    const before = this.tokenizer.decode(this.tokens.slice(0, this.given));
    const text = this.tokenizer.decode(this.tokens);
    const isCut = text.endsWith('\uFFFD') && this.tokens.length - this.given <= MOST_PIECES;
    if (isCut) return '';
    this.tokens.splice(0, this.given);
    this.given = this.tokens.length;
    return text.slice(before.length);
  }
}
