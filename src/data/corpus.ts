import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { extname } from 'node:path';
import { glob } from 'tinyglobby';
import { DataError } from '../base/errors';
import type { DomainConfig } from '../config/schema';
import { type DocumentFields, type DocumentSource, EMPTY_HASH, type FileKind, readDocuments } from './documents';
import type { FileHashes, FileState } from './hashes';
import { readError } from './reading';

/** Most files that a domain may have. */
export const MAXIMUM_FILES = 1_000_000;

/** A file of a corpus, its path absolute. */
export interface CorpusFile extends DocumentSource, FileState {}

/** A domain as it was found on disk. */
export interface Corpus {
  name: string;
  /** Sorted by path. */
  files: CorpusFile[];
  /** Of all files together. */
  bytes: number;
  /** Which fields of a JSON object hold the text; empty where no file has objects. */
  fields: DocumentFields;
  /** Share of documents to hold out. */
  heldOut: number;
  /** Changes with every change of content, `fields` or `heldOut`, but not with the files' names or places. */
  fingerprint: string;
}

/**
 * Finds the files of a domain and fingerprints their content. Globs are relative to `folder`; names that start with a dot
 * are left out and links are not followed. The caller saves `hashes`.
 * Throws a `DataError`: `no-files`, `too-many-files`, `empty-corpus`, `field-required`, `not-instructions`, `unreadable`.
 */
export async function findCorpus(
  name: string,
  config: DomainConfig,
  folder: string,
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<Corpus> {
  const files: CorpusFile[] = [];
  for (const path of await findFiles(name, config, folder)) {
    const state = fileState(path);
    files.push({ ...state, kind: kindOf(name, path, config), hash: await hashes.of(state, signal) });
  }
  if (files.every((file) => file.hash === EMPTY_HASH)) throw emptyCorpus(name, files.length);
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const fingerprint = fingerprintOf(files, config);
  return { name, files, bytes, fields: fieldsOf(config) ?? '', heldOut: config.heldOut, fingerprint };
}

/** The fields that a domain names, if it does. */
function fieldsOf({ field, prompt, answer }: DomainConfig): DocumentFields | undefined {
  return prompt !== undefined && answer !== undefined ? { prompt, answer } : field;
}

/** Reads every instruction of a corpus, so that a mistake in one shows before anything trains. Throws a `DataError` as `readDocuments`. */
export async function checkInstructions({ files, fields }: Corpus, signal?: AbortSignal): Promise<void> {
  if (typeof fields === 'string') return;
  for (const file of files) {
    const documents = readDocuments(file, fields, () => signal?.throwIfAborted())[Symbol.asyncIterator]();
    while (!(await documents.next()).done);
  }
}

/** The error for a domain whose files hold no text. */
export function emptyCorpus(name: string, files: number): DataError {
  return new DataError(
    `Domain ${name}: expected text, but ${files === 1 ? 'its file holds' : `its ${files} files hold`} none.`,
    {
      reason: 'empty-corpus',
      advice: 'Put text into the files, or let the glob of the domain name others.',
    },
  );
}

/** Size and time of change of a file. Throws a `DataError` (`unreadable`). */
export function fileState(path: string): FileState {
  try {
    const { size, mtimeMs } = statSync(path);
    return { path, size, modified: mtimeMs };
  } catch (error) {
    throw readError(error, path);
  }
}

/** Every glob has to match something: one that does not is misspelt, and its share of the domain would be missed in silence. */
async function findFiles(name: string, config: DomainConfig, folder: string): Promise<string[]> {
  const globs = [config.files].flat();
  const ignore = globs.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  const found = new Set<string>();
  for (const pattern of globs.filter((candidate) => !candidate.startsWith('!'))) {
    const paths = await glob(pattern, { cwd: folder, ignore, absolute: true, followSymbolicLinks: false });
    if (!paths.length) throw noFiles(name, pattern, folder);
    for (const path of paths) found.add(path);
  }
  if (!found.size) throw noFiles(name, globs.join(', '), folder);
  if (found.size > MAXIMUM_FILES) {
    throw new DataError(`Domain ${name}: its globs match ${found.size} files; the limit is ${MAXIMUM_FILES}.`, {
      reason: 'too-many-files',
      advice: 'Put many documents into one .jsonl file, one a line.',
    });
  }
  return [...found].sort();
}

function noFiles(name: string, pattern: string, folder: string): DataError {
  return new DataError(`Domain ${name}: the glob "${pattern}" matches no file in ${folder}.`, {
    reason: 'no-files',
    advice:
      'Globs are relative to the experiment file and use forward slashes; names that start with a dot are left out, ' +
      'and links are not followed. Check the spelling, and that the corpus is downloaded.',
  });
}

function kindOf(name: string, path: string, config: DomainConfig): FileKind {
  const extension = extname(path).toLowerCase();
  const fields = fieldsOf(config);
  if (extension === '.json') return fields === undefined ? 'text' : 'json';
  if (extension === '.jsonl' && fields !== undefined) return 'lines';
  if (typeof fields === 'object') {
    throw new DataError(`Domain ${name}: instructions should be in .jsonl or .json files, found ${path}.`, {
      reason: 'not-instructions',
      advice: 'Write one object with prompt and answer a line, or leave the file out of the glob.',
    });
  }
  if (extension !== '.jsonl') return 'text';
  throw new DataError(
    `Domain ${name}: ${path} holds JSON objects, and the domain does not say which field is the text.`,
    {
      reason: 'field-required',
      advice: 'Add `field` to the domain, e.g. { files: "...", field: text }.',
    },
  );
}

function fingerprintOf(files: CorpusFile[], config: DomainConfig): string {
  const { prompt, answer, field, heldOut } = config;
  const settings = prompt === undefined ? [field ?? null, heldOut] : [prompt, answer, heldOut];
  const hasher = createHash('sha256').update(JSON.stringify(settings));
  for (const content of files.map((file) => `${file.kind} ${file.hash}`).sort()) hasher.update(`\n${content}`);
  return hasher.digest('hex');
}
