import type { Corpus } from './corpus';
import { type Document, readDocuments } from './documents';
import { heldOutRule } from './split';

export interface BeginningsOptions {
  /** Documents at most. */
  documents: number;
  /** Characters of each at most. */
  characters: number;
  signal?: AbortSignal | undefined;
}

/**
 * The beginnings of a corpus's first held-out documents, in the order of its files; of an instruction the prompt and then the answer.
 * Reads no further than it must. Throws a `DataError` as `heldOutRule` and `readDocuments`.
 */
export async function heldOutBeginnings(corpus: Corpus, options: BeginningsOptions): Promise<string[]> {
  const onRead = (): void => options.signal?.throwIfAborted();
  const isHeldOut = await heldOutRule(corpus, onRead);
  const texts: string[] = [];
  for (const file of corpus.files) {
    for await (const document of readDocuments(file, corpus.fields, onRead)) {
      if (!isHeldOut(document.hash)) continue;
      texts.push(await beginningOf(document, options.characters));
      if (texts.length === options.documents) return texts;
    }
  }
  return texts;
}

async function beginningOf({ prompt, pieces }: Document, characters: number): Promise<string> {
  let text = '';
  for (const part of [prompt, pieces]) {
    if (!part) continue;
    for await (const piece of part) {
      text += piece.toString('utf8');
      // By code points, so that no character is cut in two.
      if (text.length >= 2 * characters) return firstCharacters(text, characters);
    }
  }
  return firstCharacters(text, characters);
}

function firstCharacters(text: string, count: number): string {
  return [...text.slice(0, 2 * count)].slice(0, count).join('');
}
