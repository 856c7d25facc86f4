import type { ServedToken } from '../plan/serving';

/** Holds tokens back for as long as their text may be the beginning of one that ends the continuation. */
export class StopText {
  private held: ServedToken[] = [];

  /** None of `stops` is empty. */
  constructor(private readonly stops: readonly string[]) {}

  /** Takes a token and gives those that can be shown. Once the end has come, the last of them has the text before it. */
  push(token: ServedToken): { tokens: ServedToken[]; isStopped: boolean } {
    this.held.push(token);
    const text = this.held.map((one) => one.text).join('');
    const ends = this.stops.map((stop) => text.indexOf(stop)).filter((end) => end >= 0);
    const isStopped = ends.length > 0;
    return {
      tokens: this.release(isStopped ? Math.min(...ends) : text.length - this.pending(text), isStopped),
      isStopped,
    };
  }

  /** The tokens that are still held back, where nothing follows. */
  rest(): ServedToken[] {
    return this.held.splice(0);
  }

  /** How much of the end of a text may be the beginning of a stop. */
  private pending(text: string): number {
    const lengths = this.stops.map((stop) => {
      let length = Math.min(stop.length - 1, text.length);
      while (!text.endsWith(stop.slice(0, length))) length--;
      return length;
    });
    return Math.max(0, ...lengths);
  }

  /** Takes out the tokens whose text ends before `end`; at a stop also what stands before it of the token that it begins in. */
  private release(end: number, isStopped: boolean): ServedToken[] {
    const released: ServedToken[] = [];
    for (let start = 0; this.held.length;) {
      const token = this.held[0]!;
      const rest = end - start;
      if (token.text.length > rest || (isStopped && rest === 0)) {
        if (isStopped && rest > 0) released.push({ ...token, text: token.text.slice(0, rest) });
        break;
      }
      start += token.text.length;
      released.push(this.held.shift()!);
    }
    return released;
  }
}
