import { loadHuggingFaceTokenizer } from './hugging-face';

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** As the experiment file writes it: `bytes`, or a path. */
  name: string;
  /** Largest id + 1. */
  vocabulary: number;
  /** The id that closes every document. */
  endOfDocument: number;
  /** Changes whenever the same text could get other tokens. */
  fingerprint: string;
  /** The tokens of a text, no special tokens added. Throws a `DataError` (`unknown-token`) where the vocabulary lacks one. */
  encode(text: string): Uint32Array;
  /** The text of some tokens. Leaves out special tokens and unknown ids; characters cut at either end become U+FFFD. */
  decode(ids: readonly number[]): string;
}

const bytesTokenizer: Tokenizer = {
  name: 'bytes',
  vocabulary: 257,
  endOfDocument: 256,
  fingerprint: 'bytes',
  encode: (text) => new Uint32Array(Buffer.from(text, 'utf8')),
  decode: (ids) => Buffer.from(ids.filter((id) => id < 256)).toString('utf8'),
};

/**
 * The tokenizer of an experiment: `bytes` (UTF-8 bytes and an end of document), or the path of a Hugging Face
 * tokenizer.json, relative to `folder`. Throws a `DataError`: `tokenizer-missing`, `tokenizer-too-large`, `not-json`,
 * `not-a-tokenizer`, `no-end-of-document`.
 */
export function loadTokenizer(name: string, folder: string): Tokenizer {
  return name === 'bytes' ? bytesTokenizer : loadHuggingFaceTokenizer(name, folder);
}
