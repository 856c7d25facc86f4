import { decode } from './decode';
import { KeyValueCache } from './kv-cache';
import type { DecodingModel } from './model';
import type { ServedText } from './recorded-experts';
import { layerChanges } from './routing-change';

/** How fast a model reads prompts and goes on from them, and how well it foresees what stands there. */
export interface DecodingSpeed {
  prefillTokens: number;
  prefillSeconds: number;
  decodeTokens: number;
  decodeSeconds: number;
  /** Summed over the tokens that were foreseen, in nats. */
  loss: number;
  /** How many were. */
  foreseen: number;
}

/** Speed of nothing. */
export function noSpeed(): DecodingSpeed {
  return { prefillTokens: 0, prefillSeconds: 0, decodeTokens: 0, decodeSeconds: 0, loss: 0, foreseen: 0 };
}

/**
 * Reads the prompt of every text at once, then its other tokens one by one, as they stand there: so two ways to serve a model do the same work. The loss
 * is that of the tokens behind the prompt. `onToken` may throw, which ends it.
 */
export async function measureDecoding(
  model: DecodingModel,
  texts: readonly ServedText[],
  onToken: () => void = () => undefined,
): Promise<DecodingSpeed> {
  const speed = noSpeed();
  const changes = layerChanges(model.architecture);
  for (const { ids, prompt } of texts) {
    const cache = new KeyValueCache();
    try {
      for (let at = 0; at < ids.length - 1; at = cache.positions) {
        const chunk = at ? [ids[at]!] : ids.slice(0, prompt);
        const begun = performance.now();
        const { logits } = await decode(model, cache, chunk, changes);
        const seconds = (performance.now() - begun) / 1000;
        speed[at ? 'decodeSeconds' : 'prefillSeconds'] += seconds;
        speed[at ? 'decodeTokens' : 'prefillTokens'] += chunk.length;
        const next = ids[at + chunk.length];
        if (next !== undefined) {
          speed.loss += lossOf(logits.subarray(-model.architecture.vocabulary), next);
          speed.foreseen++;
        }
        onToken();
      }
    } finally {
      cache.dispose();
    }
  }
  return speed;
}

/** The negative logarithm of a token's probability, from the scores of all. */
function lossOf(scores: Float32Array, token: number): number {
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const sum = scores.reduce((total, score) => total + Math.exp(score - largest), 0);
  return largest + Math.log(sum) - scores[token]!;
}
