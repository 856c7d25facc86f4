import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { DomainConfig } from '../../../src/config/schema';
import { type Corpus, findCorpus } from '../../../src/data/corpus';
import { FileHashes } from '../../../src/data/hashes';
import type { PackedDomain, Part } from '../../../src/data/packed';
import { partPath } from '../../../src/data/packed';
import { TokenFile } from '../../../src/data/token-file';
import type { TokenWidth } from '../../../src/data/token-writer';

/** A temporary folder with a corpus. */
export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), 'bam-data-'));

  path(name: string): string {
    return join(this.folder, name);
  }

  write(files: Record<string, string | Uint8Array>): void {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(this.path(name)), { recursive: true });
      writeFileSync(this.path(name), content);
    }
  }

  corpus(files: string | string[], settings: Partial<DomainConfig> = {}): Promise<Corpus> {
    const hashes = FileHashes.load(this.path('hashes.json'));
    return findCorpus('law', { files, heldOut: 0.25, ...settings }, this.folder, hashes);
  }

  /** A token file with these tokens. */
  tokens(tokens: Uint16Array | Uint32Array): TokenFile {
    this.write({ 'tokens.bin': new Uint8Array(tokens.buffer) });
    return TokenFile.open(this.path('tokens.bin'), tokens.BYTES_PER_ELEMENT as TokenWidth, tokens.length);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** All tokens of one side of a packed domain. */
export function tokensOf(packed: PackedDomain, part: Part): number[] {
  const file = TokenFile.open(partPath(packed.folder, part), packed.width, packed[part].tokens);
  const tokens = [...file.read(0, file.length)];
  file.close();
  return tokens;
}

/** The documents of one side, as text, when packed as bytes. */
export function documentsOf(packed: PackedDomain, part: Part): string[] {
  const documents: string[] = [];
  let bytes: number[] = [];
  for (const token of tokensOf(packed, part)) {
    if (token < 256) bytes.push(token);
    else {
      documents.push(Buffer.from(bytes).toString('utf8'));
      bytes = [];
    }
  }
  return documents;
}

/** A byte-level BPE tokenizer.json as GPT-2's, with merges that join line ends, so that it matters where text is cut. */
export function byteLevelTokenizer(): object {
  const merges = ['Ċ Ċ', 'ĊĊ Ċ', 'Ġ Ġ', '. Ċ', 't h', 'th e', 'Ġ the'];
  const bytes = [...Array(256).keys()].map(byteCharacter);
  const tokens = [...bytes, ...merges.map((merge) => merge.replace(' ', '')), '<|endoftext|>'];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return {
    version: '1.0',
    added_tokens: [{ id: tokens.length - 1, content: '<|endoftext|>', special: true, normalized: false }],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', unk_token: null, vocab, merges },
  };
}

/** How GPT-2's byte-level vocabulary writes a byte. */
function byteCharacter(byte: number): string {
  const isShown = (value: number) =>
    (value >= 33 && value <= 126) || (value >= 161 && value <= 172) || (value >= 174 && value <= 255);
  if (isShown(byte)) return String.fromCharCode(byte);
  const hiddenBefore = [...Array(byte).keys()].filter((value) => !isShown(value)).length;
  return String.fromCharCode(256 + hiddenBefore);
}
