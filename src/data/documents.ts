import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DataError } from '../base/errors';
import { describeFound } from '../base/found';
import { streamPieces, textPieces } from './pieces';
import { type OnRead, readChunks, readError, readLines } from './reading';

/** Largest .json file whose objects are documents, in bytes: it is parsed as a whole. */
export const MAXIMUM_JSON_BYTES = 256 * 1024 * 1024;

/** What a file holds: one document of plain text, one JSON object a line, or JSON (an object, or a list of them). */
export type FileKind = 'text' | 'lines' | 'json';

/** How the documents of a file are found. */
export interface DocumentSource {
  path: string;
  kind: FileKind;
  size: number;
  /** SHA-256 of the content, in hexadecimal. */
  hash: string;
}

/** Which fields of a JSON object are a document: its text, or a prompt and the answer that is learnt. */
export type DocumentFields = string | { prompt: string; answer: string };

/** One document, never empty. */
export interface Document {
  /** SHA-256 of its text, in hexadecimal, wherever it comes from. */
  hash: string;
  /** Of an instruction: the text in front, which is read and not learnt. */
  prompt?: AsyncIterable<Buffer>;
  /** Its text in UTF-8, in pieces that can be tokenized one by one. Of a text file nothing is read before this is. */
  pieces: AsyncIterable<Buffer>;
}

/** What a file without content hashes to. */
export const EMPTY_HASH = sha256(Buffer.alloc(0));

/**
 * The documents of a file, in order, in memory that does not grow with it (but for .json, see `MAXIMUM_JSON_BYTES`).
 * Objects with an empty text are left out; an empty prompt or answer is a mistake. `fields` name the text of a JSON object.
 * Throws a `DataError` with file and line: `not-json`, `no-text-field`, `empty-field`, `not-utf8`, `line-too-long`, `file-too-large`,
 * `unreadable`.
 */
export async function* readDocuments(
  file: DocumentSource,
  fields: DocumentFields,
  onRead: OnRead,
): AsyncGenerator<Document> {
  if (file.kind === 'text') {
    if (file.hash !== EMPTY_HASH) yield { hash: file.hash, pieces: plainText(file.path, onRead) };
    return;
  }
  const objects = file.kind === 'lines' ? objectsOfLines(file.path, onRead) : objectsOfJson(file, onRead);
  for await (const { value, where } of objects) {
    if (typeof fields !== 'string') {
      yield instruction(value, fields, where);
      continue;
    }
    const bytes = Buffer.from(textOf(value, fields, where), 'utf8');
    if (bytes.length) yield { hash: sha256(bytes), pieces: textPieces(bytes) };
  }
}

function instruction(value: unknown, fields: { prompt: string; answer: string }, where: string): Document {
  const texts = [fields.prompt, fields.answer].map((field) => {
    const text = textOf(value, field, where);
    if (text) return text;
    throw new DataError(`${where}: expected text in the field \`${field}\`, found an empty one.`, {
      reason: 'empty-field',
      advice: 'Fill it in, or leave the object out of the file.',
    });
  });
  const [prompt, answer] = texts.map((text) => textPieces(Buffer.from(text, 'utf8')));
  return { hash: sha256(Buffer.from(JSON.stringify(texts))), prompt: prompt!, pieces: answer! };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function* plainText(path: string, onRead: OnRead): AsyncGenerator<Buffer> {
  let offset = 0;
  for await (const piece of streamPieces(readChunks(path, onRead))) {
    if (!isUtf8(piece)) throw notUtf8(path, `between byte ${offset} and ${offset + piece.length}`);
    yield piece;
    offset += piece.length;
  }
}

/** A value of a JSON file, with the place that it is from. */
interface Found {
  value: unknown;
  where: string;
}

/** The values of a .jsonl file, each with file and line. Throws a `DataError`: `not-json`, `not-utf8`, `line-too-long`, `unreadable`. */
export async function* objectsOfLines(path: string, onRead: OnRead): AsyncGenerator<Found> {
  for await (const { number, bytes } of readLines(path, onRead)) {
    const where = `${path}:${number}`;
    if (!isUtf8(bytes)) throw notUtf8(where, 'in this line');
    const line = bytes.toString('utf8').trim();
    if (line) yield { value: parseJson(line, where, 'one JSON object a line'), where };
  }
}

async function* objectsOfJson(file: DocumentSource, onRead: OnRead): AsyncGenerator<Found> {
  const { path, size } = file;
  if (size > MAXIMUM_JSON_BYTES) {
    throw new DataError(`${path} has ${size} bytes; a .json file may have ${MAXIMUM_JSON_BYTES} at most.`, {
      reason: 'file-too-large',
      advice: 'Convert it to .jsonl (one object a line), which is read line by line.',
    });
  }
  const bytes = await readFile(path).catch((error: unknown) => {
    throw readError(error, path);
  });
  onRead(bytes.length);
  if (!isUtf8(bytes)) throw notUtf8(path, 'in it');
  const data = parseJson(bytes.toString('utf8').replace(/^\uFEFF/, ''), path, 'JSON');
  if (!Array.isArray(data)) return yield { value: data, where: path };
  for (const [i, value] of (data as unknown[]).entries()) yield { value, where: `${path}, entry ${i + 1}` };
}

function parseJson(text: string, where: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(`${where}: expected ${expected}, found ${excerpt(text)} (${(error as Error).message}).`, {
      reason: 'not-json',
      advice: 'Correct it, or leave the file out of the glob.',
      cause: error,
    });
  }
}

function textOf(value: unknown, field: string, where: string): string {
  const isObject = typeof value === 'object' && value !== null && Object.hasOwn(value, field);
  const text = isObject ? (value as Record<string, unknown>)[field] : undefined;
  if (typeof text === 'string') return text;
  const found = describeFound(isObject ? text : value);
  const expected = isObject ? `text in the field \`${field}\`` : `an object with the field \`${field}\``;
  throw new DataError(`${where}: expected ${expected}, found ${found}.`, {
    reason: 'no-text-field',
    advice: 'Correct the field that the domain names, or the file.',
  });
}

function excerpt(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function notUtf8(where: string, place: string): DataError {
  return new DataError(`${where}: expected text in UTF-8, found bytes ${place} that are not.`, {
    reason: 'not-utf8',
    advice: 'Save the file as UTF-8, or leave it out of the glob.',
  });
}
