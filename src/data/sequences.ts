import { DataError } from '../base/errors';
import type { TokenFile } from './token-file';

/** Sequences for the model, row after row: each target is the token behind its input. */
export interface Batch {
  /** (sequences x context) */
  inputs: Int32Array;
  /** (sequences x context) */
  targets: Int32Array;
}

/** Cuts sequences of `context` + 1 tokens, each given as file and start, into inputs and targets. */
export function readBatch(windows: { file: TokenFile; start: number }[], context: number): Batch {
  const inputs = new Int32Array(windows.length * context);
  const targets = new Int32Array(windows.length * context);
  windows.forEach(({ file, start }, row) => {
    const tokens = file.read(start, context + 1);
    inputs.set(tokens.subarray(0, context), row * context);
    targets.set(tokens.subarray(1), row * context);
  });
  return { inputs, targets };
}

/** Throws a `DataError` (`corpus-too-small`) unless one side of a domain has tokens for one sequence. */
export function requireSequence(domain: string, side: 'training' | 'held-out', tokens: number, context: number): void {
  if (tokens >= context + 1) return;
  const more = side === 'held-out' ? ', raise its `heldOut`' : '';
  throw new DataError(
    `Domain ${domain}: its ${side} part has ${tokens} tokens; one sequence needs ${context + 1} (the context of ${context}, and one).`,
    { reason: 'corpus-too-small', advice: `Add text to the domain${more}, or make the model's \`context\` smaller.` },
  );
}
