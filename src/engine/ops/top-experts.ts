import * as tf from '@tensorflow/tfjs';
import { boolAttribute, nativeBackend, typeAttribute } from './native';

/**
 * The k best experts of every token, best first; ties go to the lower index. `scores` (T, experts) -> (T*k) int32. Without gradient.
 * Names real experts even where scores are not numbers.
 */
export function topExperts(scores: tf.Tensor2D, k: number): tf.Tensor1D {
  const [tokens, experts] = scores.shape;
  const backend = nativeBackend();
  if (!backend) return tf.tensor1d(topExpertsOnHost(scores.dataSync<'float32'>(), experts, k), 'int32');
  const attributes = [
    boolAttribute(backend, 'sorted', true),
    typeAttribute(backend, 'T', 'float32'),
    typeAttribute(backend, 'Tk', 'int32'),
    typeAttribute(backend, 'index_type', 'int32'),
  ];
  const [, indices] = backend.executeMultipleOutputs('TopKV2', attributes, [scores, tf.scalar(k, 'int32')], 2);
  return tf.reshape(indices!, [tokens * k]);
}

/** `topExperts` on the host: `scores` (tokens x experts) -> (tokens x k). A score that is not a number never wins. */
export function topExpertsOnHost(scores: Float32Array, experts: number, k: number): Int32Array {
  const tokens = scores.length / experts;
  const chosen = new Int32Array(tokens * k).fill(-1);
  for (let token = 0; token < tokens; token++) {
    const row = chosen.subarray(token * k, (token + 1) * k);
    for (let rank = 0; rank < k; rank++) {
      let best = -1;
      for (let expert = 0; expert < experts; expert++) {
        if (row.includes(expert)) continue;
        if (best < 0 || beats(scores[token * experts + expert]!, scores[token * experts + best]!)) best = expert;
      }
      row[rank] = best;
    }
  }
  return chosen;
}

function beats(score: number, other: number): boolean {
  return score > other || (Number.isNaN(other) && !Number.isNaN(score));
}
