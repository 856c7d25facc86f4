/**
 * How much text is tokenized at a time, in bytes. Small enough that a tokenizer answers within a second, and that one
 * which passes all tokens of a text as arguments does not overflow the stack.
 */
export const PIECE_BYTES = 256 * 1024;

const LINE_END = 10;
const SPACE = 32;

/** A stream of UTF-8 in pieces of at most `PIECE_BYTES`, cut where `cutPoint` says however the stream was divided. */
export async function* streamPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : chunk;
    while (rest.length > PIECE_BYTES) {
      const cut = cutPoint(rest);
      yield rest.subarray(0, cut);
      rest = rest.subarray(cut);
    }
  }
  if (rest.length) yield rest;
}

/** The same for text in memory. */
export async function* textPieces(text: Buffer): AsyncGenerator<Buffer> {
  let rest = text;
  while (rest.length > PIECE_BYTES) {
    const cut = cutPoint(rest);
    yield rest.subarray(0, cut);
    rest = rest.subarray(cut);
  }
  if (rest.length) yield rest;
}

/**
 * Where to cut text that is longer than a piece, so that tokenizing the two sides gives the tokens of the whole. That
 * holds before a space that follows no other white space: the splitting patterns in use (GPT-2's, GPT-4's and their kin,
 * SentencePiece's) begin a new word there, while they may join line ends to each other and to punctuation.
 * Text without such a space is cut behind a line end, or else between two characters; there a token may differ.
 */
function cutPoint(bytes: Buffer): number {
  for (let space = bytes.lastIndexOf(SPACE, PIECE_BYTES); space > 0; space = bytes.lastIndexOf(SPACE, space - 1)) {
    if (bytes[space - 1]! > SPACE) return space;
  }
  const lineEnd = bytes.lastIndexOf(LINE_END, PIECE_BYTES - 1);
  if (lineEnd >= 0) return lineEnd + 1;
  const characterStart = [0, 1, 2, 3].find((back) => (bytes[PIECE_BYTES - back]! & 0xc0) !== 0x80);
  return PIECE_BYTES - (characterStart ?? 0);
}
