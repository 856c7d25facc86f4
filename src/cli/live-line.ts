import type { Output } from './output';

/** Without a terminal, a line this often. */
const PLAIN_MILLISECONDS = 10_000;

/** Progress in one line that is rewritten in a terminal; a line now and then elsewhere. */
export class LiveLine {
  private lastPlain = 0;
  private shown = '';

  constructor(private readonly output: Output) {}

  /** A line that stays. */
  print(text: string): void {
    this.clear();
    this.output.note(text);
  }

  /** A line that the next one replaces; without a terminal it is printed every ten seconds, and where `now` is set. */
  live(text: string, now = false): void {
    if (this.output.isTerminal) {
      this.clear();
      this.shown = text.slice(0, (process.stderr.columns ?? 80) - 1);
      process.stderr.write(this.shown);
    } else if (now || Date.now() - this.lastPlain >= PLAIN_MILLISECONDS) {
      this.lastPlain = Date.now();
      this.output.note(text);
    }
  }

  clear(): void {
    if (this.shown) process.stderr.write(`\r${' '.repeat(this.shown.length)}\r`);
    this.shown = '';
  }
}
