import { ServingError } from '../base/errors';
import type { Sampling } from '../plan/serving';

type Shape = Omit<Sampling, 'seed'>;

/** Throws a `ServingError` (`bad-sampling`) that names the number that cannot be. */
export function checkSampling({ temperature, topK, topP, seed }: Sampling): void {
  const check = (isRight: boolean, expected: string, found: unknown): void => {
    if (!isRight) throw new ServingError(`${expected}, found ${String(found)}.`, { reason: 'bad-sampling' });
  };
  check(temperature >= 0 && Number.isFinite(temperature), 'The temperature should be 0 or more', temperature);
  check(topK === undefined || (Number.isInteger(topK) && topK > 0), 'top-k should be a whole number from 1', topK);
  check(topP === undefined || (topP > 0 && topP <= 1), 'top-p should be above 0 and at most 1', topP);
  check(Number.isInteger(seed), 'The seed should be a whole number', seed);
}

/**
 * The probabilities that the next token is drawn with, (V): the softmax of the logits over the temperature, of the `topK` largest alone,
 * then of the largest that together reach `topP`, the one that crosses it included (nucleus sampling, arXiv 1904.09751). Temperature 0
 * gives all to the largest. Of equal ones the first count as larger.
 */
export function samplingProbabilities(logits: Float32Array, { temperature, topK, topP }: Shape): Float64Array {
  const probabilities = new Float64Array(logits.length);
  const largest = largestIndex(logits);
  if (temperature === 0) {
    probabilities[largest] = 1;
    return probabilities;
  }
  for (let i = 0; i < logits.length; i++) probabilities[i] = Math.exp((logits[i]! - logits[largest]!) / temperature);
  if (topK !== undefined || topP !== undefined) keepLargest(probabilities, topK ?? logits.length, topP ?? 1);
  const sum = probabilities.reduce((total, value) => total + value, 0);
  return probabilities.map((value) => value / sum);
}

/** Sets all but the `topK` largest weights to 0, and of those all behind the ones that reach the share `topP`. */
function keepLargest(weights: Float64Array, topK: number, topP: number): void {
  const order = Uint32Array.from(weights, (_, i) => i).sort((a, b) => weights[b]! - weights[a]! || a - b);
  const kept = order.subarray(0, topK);
  const wanted = topP * kept.reduce((sum, i) => sum + weights[i]!, 0);
  let count = 0;
  for (let sum = 0; count < kept.length && (sum < wanted || count === 0); count++) sum += weights[kept[count]!]!;
  for (const i of order.subarray(count)) weights[i] = 0;
}

/** The token that a uniform number in [0, 1) draws. */
export function drawToken(probabilities: Float64Array, uniform: number): number {
  let sum = 0;
  let last = 0;
  for (let i = 0; i < probabilities.length; i++) {
    if (!probabilities[i]) continue;
    sum += probabilities[i]!;
    last = i;
    if (uniform < sum) break;
  }
  return last;
}

/** The natural logarithm of a token's probability, from the logits. */
export function logProbability(logits: Float32Array, token: number): number {
  const largest = logits[largestIndex(logits)]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return logits[token]! - largest - Math.log(sum);
}

function largestIndex(numbers: Float32Array): number {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i]! > numbers[best]!) best = i;
  return best;
}
