import { DataError } from '../base/errors';
import { type Corpus, emptyCorpus } from './corpus';
import { readDocuments } from './documents';
import type { OnRead } from './reading';

/** True for the hash of a document that never trains. */
export type HeldOutRule = (hash: string) => boolean;

/**
 * Which documents are held out: those whose hash, as a fraction of all hashes, is below the domain's share. So the same
 * text is always on the same side, and a new document moves no other one. Where that leaves one side empty, the document
 * with the smallest (or largest) hash goes there. Reads only until both sides have a document.
 * Throws a `DataError`: `one-document`, `empty-corpus`, or one of `readDocuments`.
 */
export async function heldOutRule(corpus: Corpus, onRead: OnRead): Promise<HeldOutRule> {
  const isBelow: HeldOutRule = (hash) => parseInt(hash.slice(0, 12), 16) / 2 ** 48 < corpus.heldOut;
  let smallest: string | undefined;
  let largest = '';
  for (const file of corpus.files) {
    for await (const { hash } of readDocuments(file, corpus.fields, onRead)) {
      if (smallest === undefined || hash < smallest) smallest = hash;
      if (hash > largest) largest = hash;
      if (isBelow(smallest) && !isBelow(largest)) return isBelow;
    }
  }
  if (smallest === undefined) throw emptyCorpus(corpus.name, corpus.files.length);
  if (smallest === largest) throw oneDocument(corpus);
  return isBelow(smallest) ? (hash) => hash !== largest : (hash) => hash === smallest;
}

function oneDocument(corpus: Corpus): DataError {
  const copies = corpus.files.length > 1 ? ` (${corpus.files.length} files hold the same text)` : '';
  return new DataError(
    `Domain ${corpus.name}: expected at least two different documents, one to train on and one to hold out; found one${copies}.`,
    {
      reason: 'one-document',
      advice: `Split ${corpus.files[0]!.path} into several files, or make it a .jsonl file with one document a line.`,
    },
  );
}
