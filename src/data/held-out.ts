import { type Batch, readBatch, requireSequence } from './sequences';
import type { TokenFile } from './token-file';

export interface HeldOutOptions {
  /** Tokens of a sequence. */
  context: number;
  /** Tokens to predict at most; at least one sequence is given. */
  maximumTokens: number;
  /** Sequences in a batch; the last one may have fewer. */
  batch: number;
}

/** Consecutive held-out sequences; inputs and targets are (sequences x context), never padded. */
export interface HeldOutBatch extends Batch {
  sequences: number;
}

/**
 * The first sequences of a domain's held-out part: every token is the target of one at most, and every call gives the same.
 * Throws a `DataError` (`corpus-too-small`) at once if there is not one whole sequence.
 */
export function heldOutBatches(
  domain: { name: string; heldOut: TokenFile },
  options: HeldOutOptions,
): IterableIterator<HeldOutBatch> {
  requireSequence(domain.name, 'held-out', domain.heldOut.length, options.context);
  return batches(domain.heldOut, options);
}

function* batches(file: TokenFile, { context, maximumTokens, batch }: HeldOutOptions): Generator<HeldOutBatch> {
  const wanted = Math.max(1, Math.floor(maximumTokens / context));
  const total = Math.min(wanted, Math.floor((file.length - 1) / context));
  for (let first = 0; first < total; first += batch) {
    const sequences = Math.min(batch, total - first);
    const windows = Array.from({ length: sequences }, (_, i) => ({ file, start: (first + i) * context }));
    yield { sequences, ...readBatch(windows, context) };
  }
}

/** Bits that the model needs for a byte of text, from the mean loss of a token (nats) and how many tokens a byte has. */
export function bitsPerByte(loss: number, tokensPerByte: number): number {
  return (loss / Math.LN2) * tokensPerByte;
}
