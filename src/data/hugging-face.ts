import { Tokenizer as HuggingFace } from '@huggingface/tokenizers';
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DataError, hasCode } from '../base/errors';
import { describeFound } from '../base/found';
import type { Tokenizer } from './tokenizer';

/** Largest tokenizer.json that is read, in bytes; those of the largest vocabularies have about 35 MB. */
export const MAXIMUM_TOKENIZER_BYTES = 128 * 1024 * 1024;

/** Largest id of a token; vocabularies have some hundred thousand. */
const MAXIMUM_ID = 10_000_000;

/** Names that an end of document goes by, where tokenizer_config.json does not say. */
const END_OF_DOCUMENT_NAMES = ['<|endoftext|>', '</s>', '<eos>', '<|end_of_text|>'];

type JsonObject = Record<string, unknown>;

/** Reads tokenizer.json, and tokenizer_config.json beside it if there is one. Errors as in `loadTokenizer`. */
export function loadHuggingFaceTokenizer(name: string, folder: string): Tokenizer {
  const path = resolve(folder, name);
  const configPath = join(dirname(path), 'tokenizer_config.json');
  const text = readText(path);
  if (text === undefined) {
    throw new DataError(`The tokenizer ${name} should be a file, but there is none at ${path}.`, {
      reason: 'tokenizer-missing',
      advice: 'Write `bytes`, or the path of a Hugging Face tokenizer.json relative to the experiment file.',
    });
  }
  const configText = readText(configPath);
  const config = configText === undefined ? {} : parseObject(configText, configPath);
  const inner = construct(path, parseObject(text, path), config);
  const guarded = <T>(work: () => T): T => refusing(path, work);
  const vocabulary = guarded(() => vocabularyOf(inner, path));
  const endOfDocument = guarded(() => findEndOfDocument(inner, config, path));
  return {
    name,
    vocabulary,
    endOfDocument,
    fingerprint: createHash('sha256')
      .update(JSON.stringify([text, configText ?? '']))
      .digest('hex'),
    encode: (input) => guarded(() => encode(inner, input, { name, vocabulary })),
    decode(ids) {
      const known = ids.filter((id) => id !== endOfDocument && inner.id_to_token(id) !== undefined);
      if (!known.length) return '';
      // The clean-up would take away spaces before punctuation that the text did have.
      const options = { skip_special_tokens: true, clean_up_tokenization_spaces: false };
      return guarded(() => inner.decode(known, options));
    },
  };
}

function readText(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile()) return undefined;
  if (stats.size > MAXIMUM_TOKENIZER_BYTES) {
    throw new DataError(`${path} has ${stats.size} bytes; a tokenizer may have ${MAXIMUM_TOKENIZER_BYTES} at most.`, {
      reason: 'tokenizer-too-large',
      advice: 'Check that the path names a tokenizer.json.',
    });
  }
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error;
    throw new DataError(`${path} cannot be read by this user.`, { reason: 'tokenizer-missing', cause: error });
  }
}

function parseObject(text: string, path: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(`${path} should hold JSON but does not (${(error as Error).message}).`, {
      reason: 'not-json',
      advice: 'Download the file again; a tokenizer in another format has to be converted to tokenizer.json.',
      cause: error,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw notATokenizer(path, `a ${Array.isArray(value) ? 'list' : typeof value}`);
}

function notATokenizer(path: string, found: string, cause?: unknown): DataError {
  return new DataError(
    `${path} should be a Hugging Face tokenizer with a \`model\` that has a vocabulary; it is ${found}.`,
    {
      reason: 'not-a-tokenizer',
      advice: 'Use the tokenizer.json of a model, not its tokenizer_config.json, vocab.json or config.json.',
      cause,
    },
  );
}

function construct(path: string, json: JsonObject, config: JsonObject): HuggingFace {
  const model = json.model as JsonObject | null | undefined;
  if (typeof model !== 'object' || model === null || typeof model.vocab !== 'object' || model.vocab === null) {
    throw notATokenizer(path, `an object with the keys ${Object.keys(json).slice(0, 8).join(', ') || '(none)'}`);
  }
  const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
  checkIds(path, model.vocab, json.added_tokens ?? []);
  // A word-level model takes its unknown token from the configuration only, though tokenizer.json names it too.
  const unknown = typeof model.unk_token === 'string' ? { unk_token: model.unk_token } : {};
  return refusing(path, () => new HuggingFace({ ...absent, ...json }, { ...unknown, ...config }));
}

/** Does something with the library; whatever it stumbles over is a mistake of the file. */
function refusing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw notATokenizer(path, `of a kind that cannot be used here (${String((error as Error).message)})`, error);
  }
}

/** The library makes a list with a place for every id up to the largest, so an id without measure would take all memory. */
function checkIds(path: string, vocabulary: unknown, added: unknown): void {
  const ids = Array.isArray(vocabulary) ? [] : Object.values(vocabulary as JsonObject);
  const isToken = (token: unknown): boolean => {
    if (typeof token !== 'object' || token === null) return false;
    return isId((token as JsonObject).id) && typeof (token as JsonObject).content === 'string';
  };
  const tokens = Array.isArray(added) ? added : [added];
  const wrong = [...ids.filter((id) => !isId(id)), ...tokens.filter((token) => !isToken(token))];
  if (!wrong.length) return;
  throw notATokenizer(path, `one with the id ${describeFound(wrong[0])}; ids are whole numbers below ${MAXIMUM_ID}`);
}

function isId(id: unknown): boolean {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < MAXIMUM_ID;
}

/** The largest id + 1. */
function vocabularyOf(inner: HuggingFace, path: string): number {
  let largest = -1;
  for (const id of inner.get_vocab().values()) {
    if (!isId(id)) throw notATokenizer(path, `one with the id ${describeFound(id)}`);
    largest = Math.max(largest, id);
  }
  return largest + 1;
}

function findEndOfDocument(inner: HuggingFace, config: JsonObject, path: string): number {
  const written = config.eos_token as string | { content?: string } | null | undefined;
  const configured = typeof written === 'string' ? written : (written?.content ?? undefined);
  const names = configured === undefined ? END_OF_DOCUMENT_NAMES : [configured];
  for (const candidate of names) {
    const id = inner.token_to_id(candidate);
    if (id !== undefined) return id;
  }
  throw new DataError(
    `The vocabulary of ${path} has no token for the end of a document (looked for ${names.join(', ')}).`,
    {
      reason: 'no-end-of-document',
      advice: 'Put a tokenizer_config.json beside it that says which one it is: { "eos_token": "..." }.',
    },
  );
}

function encode(
  inner: HuggingFace,
  text: string,
  { name, vocabulary }: Pick<Tokenizer, 'name' | 'vocabulary'>,
): Uint32Array {
  const { ids, tokens } = inner.encode(text, { add_special_tokens: false });
  // Where a word is unknown and no token stands for that, the library gives no id, or one that there is not.
  const missing = (ids as unknown[]).findIndex((id) => !isId(id) || (id as number) >= vocabulary);
  if (missing < 0) return Uint32Array.from(ids);
  throw new DataError(
    `The tokenizer ${name} has no token for ${JSON.stringify(tokens[missing])}, nor one for the unknown.`,
    {
      reason: 'unknown-token',
      advice: 'Name its unknown token as "unk_token" in tokenizer_config.json, or use another tokenizer.',
    },
  );
}
