import { ServingError } from '../base/errors';
import { decode } from './decode';
import { PASS_TOKENS } from './generate';
import { KeyValueCache } from './kv-cache';
import type { DecodingModel } from './model';
import type { LayerChange } from './routing-change';
import { logProbability } from './sampling';

/**
 * The perplexity of a text's tokens given those before in the same window: windows of the model's context follow each other without
 * overlap, as in training. Every token but the first of the text is predicted once. Throws a `ServingError` (`empty-text`) where there
 * is nothing to predict, and the signal's reason.
 */
export async function perplexity(
  model: DecodingModel,
  ids: readonly number[],
  changes: readonly LayerChange[],
  { signal, onProgress }: { signal: AbortSignal; onProgress: (done: number, total: number) => void },
): Promise<number> {
  if (ids.length < 2) {
    throw new ServingError(`A text whose perplexity is asked for should have at least 2 tokens, found ${ids.length}.`, {
      reason: 'empty-text',
    });
  }
  const { context } = model.architecture;
  let sum = 0;
  for (let start = 0; start < ids.length - 1; start += context) {
    const end = Math.min(start + context, ids.length - 1);
    sum += await windowLoss(model, ids.slice(start, end + 1), changes, signal);
    onProgress(end, ids.length - 1);
  }
  return Math.exp(sum / (ids.length - 1));
}

/** The summed loss of all tokens of a window but the first, in nats. */
async function windowLoss(
  model: DecodingModel,
  ids: readonly number[],
  changes: readonly LayerChange[],
  signal: AbortSignal,
): Promise<number> {
  const cache = new KeyValueCache();
  let loss = 0;
  try {
    for (let start = 0; start < ids.length - 1; start += PASS_TOKENS) {
      await new Promise(setImmediate);
      signal.throwIfAborted();
      const inputs = ids.slice(start, Math.min(start + PASS_TOKENS, ids.length - 1));
      const { logits } = await decode(model, cache, inputs, changes);
      const vocabulary = logits.length / inputs.length;
      inputs.forEach((_, row) => {
        loss -= logProbability(logits.subarray(row * vocabulary, (row + 1) * vocabulary), ids[start + row + 1]!);
      });
    }
    return loss;
  } finally {
    cache.dispose();
  }
}
