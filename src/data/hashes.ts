import { createHash } from 'node:crypto';
import * as z from 'zod';
import { BamError } from '../base/errors';
import { readJson, writeFileAtomic } from '../base/files';
import { readChunks } from './reading';

const memoSchema = z.record(z.string(), z.object({ size: z.number(), modified: z.number(), hash: z.string() }));

/** A file as it stands on disk; `modified` is in milliseconds since 1970. */
export interface FileState {
  path: string;
  size: number;
  modified: number;
}

/**
 * Content hashes of files, kept by path, size and time of change in a JSON file, so that planning again is fast.
 * The memo only saves time: where it is missing or damaged, files are hashed again.
 */
export class FileHashes {
  private changed = false;

  private constructor(
    private readonly path: string,
    private readonly memo: Map<string, z.output<typeof memoSchema>[string]>,
  ) {}

  /** Takes up the memo at `path`, e.g. `.bam/data/hashes.json`. */
  static load(path: string): FileHashes {
    return new FileHashes(path, new Map(Object.entries(readMemo(path))));
  }

  /** Without a memo: every file is read. */
  static fresh(): FileHashes {
    return new FileHashes('', new Map());
  }

  /** SHA-256 of the file's content (without a byte order mark), in hexadecimal. Throws a `DataError` (`unreadable`). */
  async of(file: FileState, signal?: AbortSignal): Promise<string> {
    const { path, size, modified } = file;
    const known = this.memo.get(path);
    if (known?.size === size && known.modified === modified) return known.hash;
    const hasher = createHash('sha256');
    for await (const chunk of readChunks(path, () => signal?.throwIfAborted())) hasher.update(chunk);
    const hash = hasher.digest('hex');
    this.memo.set(path, { size, modified, hash });
    this.changed = true;
    return hash;
  }

  /** Writes the memo if it learnt anything. Throws a `BamError` (`no-space`, `read-only`). */
  save(): void {
    if (this.changed) writeFileAtomic(this.path, JSON.stringify(Object.fromEntries(this.memo)));
    this.changed = false;
  }
}

function readMemo(path: string): z.output<typeof memoSchema> {
  try {
    return memoSchema.safeParse(readJson(path)).data ?? {};
  } catch (error) {
    if (error instanceof BamError) return {};
    throw error;
  }
}
