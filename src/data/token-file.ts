import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { DataError } from '../base/errors';
import type { TokenWidth } from './token-writer';

/** A file of tokens, of which only the asked parts are in memory. */
export class TokenFile {
  private constructor(
    private readonly path: string,
    private readonly width: TokenWidth,
    private readonly handle: number,
    /** Tokens in the file. */
    readonly length: number,
    /** Of instructions: as many marks, 1 for tokens that are learnt and 0 for those of prompts. */
    readonly marks?: TokenFile,
  ) {}

  /** Opens a file of `count` tokens of `width` bytes. Throws a `DataError` (`damaged-tokens`) if its size is another. */
  static open(path: string, width: TokenWidth, count: number, marks?: TokenFile): TokenFile {
    const handle = openSync(path, 'r');
    const { size } = fstatSync(handle);
    if (size === count * width) return new TokenFile(path, width, handle, count, marks);
    closeSync(handle);
    throw damaged(path, `${count * width} bytes`, `${size}`);
  }

  /** `count` tokens from `start` on. Throws a `RangeError` outside of the file, a `DataError` if it has shrunk. */
  read(start: number, count: number): Int32Array {
    if (start < 0 || count < 0 || start + count > this.length) {
      throw new RangeError(`${this.path} has ${this.length} tokens; ${count} from ${start} on were asked for.`);
    }
    const tokens = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[this.width](count);
    const bytes = new Uint8Array(tokens.buffer);
    for (let done = 0; done < bytes.length;) {
      const read = readSync(this.handle, bytes, done, bytes.length - done, start * this.width + done);
      if (read === 0) throw damaged(this.path, `${this.length} tokens`, 'less');
      done += read;
    }
    return new Int32Array(tokens);
  }

  close(): void {
    this.marks?.close();
    closeSync(this.handle);
  }
}

function damaged(path: string, expected: string, found: string): DataError {
  return new DataError(`${path}: expected ${expected}, found ${found}.`, {
    reason: 'damaged-tokens',
    advice: 'Run again: the corpus is then packed anew.',
  });
}
