import * as tf from '@tensorflow/tfjs';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend';
import { intAttribute, typeAttribute } from './native';

/**
 * Every expert gets a multiple of this many rows, the last of them fillers. oneDNN makes a kernel for each number of rows that it
 * meets, which took up to a quarter of a step, and keeps it, which took hundreds of megabytes (docs/performance.md).
 */
const BLOCK = 64;

/** Which pairs each expert computes, and which nobody does, (R) int32 each. */
export interface SortedPairs {
  byExpert: tf.Tensor1D[];
  nobody: tf.Tensor1D;
}

/**
 * For each expert the places of `chosen` (P) int32 that name it, in their order, filled up with the place P, which no pair has.
 * Places that name `experts` are nobody's.
 */
export function pairsByExpert(backend: NodeJSKernelBackend, chosen: tf.Tensor1D, experts: number): SortedPairs {
  const pairs = chosen.shape[0];
  const fillers = fillersByExpert(chosen, experts);
  const places = tf.concat([tf.range(0, pairs, 1, 'int32'), tf.fill(fillers.shape, pairs, 'int32')]);
  const attributes = [intAttribute(backend, 'num_partitions', experts + 2), typeAttribute(backend, 'T', 'int32')];
  const inputs = [places, tf.concat([chosen, fillers])];
  const parts = backend.executeMultipleOutputs('DynamicPartition', attributes, inputs, experts + 2) as tf.Tensor1D[];
  return { byExpert: parts.slice(0, experts), nobody: parts[experts]! };
}

/** For each of `experts` x (BLOCK - 1) fillers the expert that needs it to come to whole blocks, or `experts + 1` for none. */
function fillersByExpert(chosen: tf.Tensor1D, experts: number): tf.Tensor1D {
  const perExpert = BLOCK - 1;
  const assigned = tf.sum(tf.oneHot(chosen, experts, 1, 0, 'int32'), 0); // (experts)
  const most = tf.scalar(perExpert, 'int32');
  const missing = tf.sub(most, tf.mod(tf.add(assigned, most), tf.scalar(BLOCK, 'int32'))); // (experts)
  const isNeeded = tf.less(tf.range(0, perExpert, 1, 'int32'), tf.expandDims(missing, 1)); // (experts, BLOCK - 1)
  const expert = tf.tile(tf.expandDims(tf.range(0, experts, 1, 'int32'), 1), [1, perExpert]);
  return tf.reshape(tf.where(isNeeded, expert, tf.fill(expert.shape, experts + 1, 'int32')), [experts * perExpert]);
}

/** `pairs` (R) int32 with the place 0 for fillers, so that each names one of `count` rows. */
export function realPairs(pairs: tf.Tensor1D, count: number): tf.Tensor1D {
  return tf.mul(pairs, tf.cast(tf.less(pairs, tf.scalar(count, 'int32')), 'int32'));
}

/** Puts the experts' rows (R, E) where their pairs were: row i of an expert becomes row `pairs[i]` of the result, (count, E). */
export function restorePairs(
  backend: NodeJSKernelBackend,
  experts: { pairs: tf.Tensor1D; rows: tf.Tensor2D }[],
  count: number,
): tf.Tensor2D {
  const attributes = [intAttribute(backend, 'N', experts.length), typeAttribute(backend, 'T', 'float32')];
  const inputs = [...experts.map(({ pairs }) => pairs), ...experts.map(({ rows }) => rows)];
  const stitched = backend.executeSingleOutput('ParallelDynamicStitch', attributes, inputs) as tf.Tensor2D;
  // The fillers' rows came last.
  return tf.slice2d(stitched, [0, 0], [count, experts[0]!.rows.shape[1]]);
}
