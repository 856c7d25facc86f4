import { closeSync, fsyncSync, openSync, writeFileSync } from 'node:fs';
import { diskError } from '../base/files';

/** Bytes of a token in a file; of the marks beside it, one. */
export type TokenWidth = 1 | 2 | 4;

const BUFFERED_TOKENS = 256 * 1024;

/** The narrowest width that holds every id of a vocabulary. */
export function tokenWidth(vocabulary: number): 2 | 4 {
  return vocabulary <= 65536 ? 2 : 4;
}

/** Writes a new file of tokens: unsigned integers, little-endian as every machine that TensorFlow runs on. */
export class TokenWriter {
  private readonly handle: number;
  private readonly buffer: Uint8Array | Uint16Array | Uint32Array;
  private used = 0;
  private written = 0;

  constructor(
    private readonly path: string,
    width: TokenWidth,
  ) {
    this.handle = openSync(path, 'w');
    this.buffer = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[width](BUFFERED_TOKENS);
  }

  /** Tokens added so far. */
  get count(): number {
    return this.written + this.used;
  }

  /** Appends tokens. Throws a `BamError` (`no-space`) when the disk is full. */
  add(ids: Uint32Array): void {
    for (let start = 0; start < ids.length;) {
      const part = ids.subarray(start, start + this.buffer.length - this.used);
      this.buffer.set(part, this.used);
      this.used += part.length;
      start += part.length;
      if (this.used === this.buffer.length) this.flush();
    }
  }

  /** Brings everything to the disk. Throws as `add`. */
  sync(): void {
    this.flush();
    try {
      fsyncSync(this.handle);
    } catch (error) {
      throw diskError(error, this.path);
    }
  }

  close(): void {
    closeSync(this.handle);
  }

  private flush(): void {
    try {
      writeFileSync(this.handle, this.buffer.subarray(0, this.used));
    } catch (error) {
      throw diskError(error, this.path);
    }
    this.written += this.used;
    this.used = 0;
  }
}
