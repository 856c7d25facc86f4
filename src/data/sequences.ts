import { DataError } from '../base/errors';
import type { TokenFile } from './token-file';

/** Sequences for the model, row after row: each target is the token behind its input. */
export interface Batch {
  /** (sequences x context) */
  inputs: Int32Array;
  /** (sequences x context) */
  targets: Int32Array;
  /**
   * How much the loss of each target counts, (sequences x context): as read, 1 where it is learnt and 0 in prompts. Absent where no
   * domain is of instructions, and all count the same.
   */
  weights?: Float32Array;
}

/**
 * Cuts sequences of `context` + 1 tokens, each given as file and start, into inputs and targets, with weights where some are of
 * instructions or `isWeighted` wants them anyway.
 */
export function readBatch(
  windows: { file: TokenFile; start: number }[],
  context: number,
  isWeighted = windows.some(({ file }) => file.marks),
): Batch {
  const inputs = new Int32Array(windows.length * context);
  const targets = new Int32Array(windows.length * context);
  const weights = isWeighted ? new Float32Array(windows.length * context).fill(1) : undefined;
  windows.forEach(({ file, start }, row) => {
    const tokens = file.read(start, context + 1);
    inputs.set(tokens.subarray(0, context), row * context);
    targets.set(tokens.subarray(1), row * context);
    if (file.marks) weights!.set(file.marks.read(start + 1, context), row * context);
  });
  return { inputs, targets, ...(weights && { weights }) };
}

/** How many targets of a batch, as it was read, are learnt. */
export function countedTargets({ targets, weights }: Batch): number {
  return weights ? weights.reduce((sum, weight) => sum + weight, 0) : targets.length;
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
