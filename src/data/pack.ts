import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../base/errors';
import { diskError, syncFolder, writeFileAtomic } from '../base/files';
import { type Corpus, type CorpusFile, fileState } from './corpus';
import { type Document, readDocuments } from './documents';
import {
  marksPath,
  metaPath,
  PACK_FORMAT,
  type PackedDomain,
  type PackMeta,
  type Part,
  PARTS,
  partPath,
  readPacked,
} from './packed';
import type { OnRead } from './reading';
import { type HeldOutRule, heldOutRule } from './split';
import { TokenWriter, tokenWidth } from './token-writer';
import type { Tokenizer } from './tokenizer';

const MILLISECONDS_BETWEEN_REPORTS = 250;
const LEFTOVER_AGE = 60 * 60 * 1000;

/** How much of a corpus is packed. */
export interface PackProgress {
  doneBytes: number;
  totalBytes: number;
}

export interface PackOptions {
  /** Called at most a few times a second. */
  onProgress?: ((progress: PackProgress) => void) | undefined;
  /** Ends the work with the signal's reason; nothing stays on disk then. */
  signal?: AbortSignal | undefined;
}

/**
 * Tokenizes a corpus once into `<cacheFolder>/<key>/{train.bin, heldout.bin, meta.json}` and takes it from there afterwards; instructions have
 * marks beside their tokens (`train.marks.bin`).
 * The key is that of content and tokenizer, and files go in by the order of their hashes, so that equal keys mean equal
 * bytes: processes that pack the same corpus at once can each put their files in place without harm to the other.
 * Throws a `DataError` (`one-document`, `empty-corpus`, `changed-while-reading`, or one of `readDocuments` and
 * `Tokenizer.encode`) or a `BamError` (`no-space`, `read-only`).
 */
export async function packDomain(
  corpus: Corpus,
  tokenizer: Tokenizer,
  cacheFolder: string,
  options: PackOptions = {},
): Promise<PackedDomain> {
  const folder = join(cacheFolder, packKey(corpus, tokenizer));
  const packed = readPacked(folder);
  if (packed) return packed;
  const isHeldOut = await heldOutRule(corpus, () => options.signal?.throwIfAborted());
  const temporary = temporaryFolder(folder);
  try {
    const meta = await writeParts(corpus, tokenizer, temporary, isHeldOut, readListener(corpus, options));
    publish(temporary, folder, meta);
    return { folder, ...meta };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function packKey(corpus: Corpus, tokenizer: Tokenizer): string {
  const parts = [PACK_FORMAT, corpus.fingerprint, tokenizer.fingerprint];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}

/** A folder to write in, beside the final one. Removes what crashed processes left there. */
function temporaryFolder(folder: string): string {
  const parent = dirname(folder);
  const prefix = `${basename(folder)}.tmp-`;
  try {
    mkdirSync(parent, { recursive: true });
    for (const name of readdirSync(parent).filter((entry) => entry.startsWith(prefix))) {
      const times = [join(parent, name), partPath(join(parent, name), 'train')].map(
        (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0,
      );
      if (Date.now() - Math.max(...times) > LEFTOVER_AGE) rmSync(join(parent, name), { recursive: true, force: true });
    }
    return mkdtempSync(join(parent, prefix));
  } catch (error) {
    throw diskError(error, folder);
  }
}

function readListener(corpus: Corpus, { onProgress, signal }: PackOptions): OnRead {
  let doneBytes = 0;
  let reported = 0;
  return (bytes) => {
    signal?.throwIfAborted();
    doneBytes += bytes;
    const isDue = Date.now() - reported >= MILLISECONDS_BETWEEN_REPORTS;
    if (!isDue && doneBytes < corpus.bytes) return;
    reported = Date.now();
    onProgress?.({ doneBytes, totalBytes: corpus.bytes });
  };
}

async function writeParts(
  corpus: Corpus,
  tokenizer: Tokenizer,
  folder: string,
  isHeldOut: HeldOutRule,
  onRead: OnRead,
): Promise<PackMeta> {
  const width = tokenWidth(tokenizer.vocabulary);
  const isInstruction = typeof corpus.fields !== 'string';
  const train = new PartWriter(folder, 'train', tokenizer, isInstruction);
  const heldOut = new PartWriter(folder, 'heldOut', tokenizer, isInstruction);
  try {
    for (const file of [...corpus.files].sort(byHash)) {
      for await (const document of readDocuments(file, corpus.fields, onRead)) {
        await (isHeldOut(document.hash) ? heldOut : train).add(document);
      }
      checkUnchanged(file);
    }
    return { format: PACK_FORMAT, width, train: train.finish(), heldOut: heldOut.finish() };
  } finally {
    train.close();
    heldOut.close();
  }
}

function byHash(a: CorpusFile, b: CorpusFile): number {
  return a.hash < b.hash ? -1 : Number(a.hash > b.hash);
}

/** One side while it is written. */
class PartWriter {
  private readonly writer: TokenWriter;
  private readonly marks: TokenWriter | undefined;
  private documents = 0;
  private bytes = 0;
  private readonly answers = { tokens: 0, bytes: 0 };

  constructor(
    folder: string,
    part: Part,
    private readonly tokenizer: Tokenizer,
    isInstruction: boolean,
  ) {
    this.marks = isInstruction ? new TokenWriter(marksPath(folder, part), 1) : undefined;
    this.writer = new TokenWriter(partPath(folder, part), tokenWidth(tokenizer.vocabulary));
  }

  /** Prompt and answer are tokenized on their own, as a model is given a prompt and then writes. */
  async add({ prompt, pieces }: Document): Promise<void> {
    if (prompt) await this.addText(prompt, 0);
    await this.addText(pieces, 1);
    this.addTokens(Uint32Array.of(this.tokenizer.endOfDocument), 1);
    this.documents += 1;
  }

  private async addText(pieces: AsyncIterable<Buffer>, mark: 0 | 1): Promise<void> {
    for await (const piece of pieces) {
      this.addTokens(this.tokenizer.encode(piece.toString('utf8')), mark);
      this.bytes += piece.length;
      this.answers.bytes += mark * piece.length;
    }
  }

  private addTokens(ids: Uint32Array, mark: 0 | 1): void {
    this.writer.add(ids);
    this.marks?.add(new Uint32Array(ids.length).fill(mark));
    this.answers.tokens += mark * ids.length;
  }

  finish(): PackMeta[Part] {
    this.writer.sync();
    this.marks?.sync();
    const counts = { tokens: this.writer.count, documents: this.documents, bytes: this.bytes };
    return { ...counts, ...(this.marks && { answers: this.answers }) };
  }

  close(): void {
    this.writer.close();
    this.marks?.close();
  }
}

/** A file that was written to since it was hashed would be packed under the key of other content. */
function checkUnchanged(file: CorpusFile): void {
  const { size, modified } = fileState(file.path);
  if (size === file.size && modified === file.modified) return;
  throw new DataError(`${file.path} changed while it was read.`, {
    reason: 'changed-while-reading',
    advice: 'Run again when nothing writes to the corpus any more.',
  });
}

/** Puts the files in place, the one that says they are complete last. */
function publish(temporary: string, folder: string, meta: PackMeta): void {
  try {
    mkdirSync(folder, { recursive: true });
    for (const part of PARTS) {
      if (meta[part].answers) renameSync(marksPath(temporary, part), marksPath(folder, part));
      renameSync(partPath(temporary, part), partPath(folder, part));
    }
    syncFolder(folder);
    writeFileAtomic(metaPath(folder), `${JSON.stringify(meta, undefined, 2)}\n`);
  } catch (error) {
    // Windows refuses to replace a file that another process has opened, which then has the same content.
    if (!readPacked(folder)) throw diskError(error, folder);
  }
}
