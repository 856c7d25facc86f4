import * as tf from '@tensorflow/tfjs';
import { intAttribute, nativeBackend, typeAttribute } from './native';
import { ownGradient } from './own-gradient';

/** Rows of a matrix, or numbers of a list, by index, without gradient. `rows` (R, E) or (R), `indices` (K) int32 -> (K, E) or (K). */
export function takeRows<T extends tf.Tensor1D | tf.Tensor2D>(rows: T, indices: tf.Tensor1D): T {
  const backend = nativeBackend();
  if (!backend) return tf.gather(rows as tf.Tensor, indices) as T;
  // tfjs-node's own kernel reads the indices back to the host to check them; callers here have checked theirs.
  const axis = tf.scalar(0, 'int32');
  const attributes = [
    intAttribute(backend, 'batch_dims', 0),
    typeAttribute(backend, 'Tparams', rows.dtype as 'float32' | 'int32'),
    typeAttribute(backend, 'Tindices', 'int32'),
    typeAttribute(backend, 'Taxis', 'int32'),
  ];
  return backend.executeSingleOutput('GatherV2', attributes, [rows, indices, axis]) as T;
}

/** Sums the rows that share an index. `rows` (K, E), `indices` (K) int32 -> (count, E); rows nobody names are zero. */
export function sumRows(rows: tf.Tensor2D, indices: tf.Tensor1D, count: number): tf.Tensor2D {
  const backend = nativeBackend();
  if (!backend) return tf.scatterND(indices.expandDims(1), rows, [count, rows.shape[1]]);
  const attributes = [
    typeAttribute(backend, 'T', 'float32'),
    typeAttribute(backend, 'Tindices', 'int32'),
    typeAttribute(backend, 'Tnumsegments', 'int32'),
  ];
  const segments = tf.scalar(count, 'int32');
  return backend.executeSingleOutput('UnsortedSegmentSum', attributes, [rows, indices, segments]) as tf.Tensor2D;
}

/**
 * Embedding lookup with its gradient. `table` (V, E), `ids` (K) int32, each in 0..V-1 (checked by the caller) -> (K, E).
 */
export function embed(table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D {
  return ownGradient(
    [table],
    () => ({ value: takeRows(table, ids), saved: [ids] }),
    (dy, [indices]) => [sumRows(dy as tf.Tensor2D, indices as tf.Tensor1D, table.shape[0])],
  );
}

/**
 * Reorders the rows of a matrix; the gradient is the reverse reordering. `rows` (K, E), `order` (K) int32, a permutation:
 * row i of the result is row `order[i]` of the input. `inverse` is the reverse permutation.
 */
export function permuteRows(rows: tf.Tensor2D, order: tf.Tensor1D, inverse: tf.Tensor1D): tf.Tensor2D {
  return ownGradient(
    [rows],
    () => ({ value: takeRows(rows, order), saved: [inverse] }),
    (dy, [back]) => [takeRows(dy as tf.Tensor2D, back as tf.Tensor1D)],
  );
}
