import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import { inSection } from '../engine/graph/tape';
import { type AttentionTables, attentionTables, disposeTables } from '../model/attention';
import { createParameters, disposeParameters, type ModelParameters, type ParameterValues } from '../model/parameters';
import { forward, type ForwardOutput, logits } from '../model/transformer';
import type { TrainPlan } from '../plan/plan';

/** A model that another learns from, and how. */
export interface TeacherSource {
  architecture: Architecture;
  values: ParameterValues;
  distill: NonNullable<TrainPlan['distill']>;
}

/** The same with its parameters as tensors, which no step changes. */
export interface Teacher extends Omit<TeacherSource, 'values'> {
  parameters: ModelParameters;
  tables: AttentionTables;
}

/** What a teacher says of a batch. */
export interface Taught {
  /** As `ForwardOutput` has them. */
  states: tf.Tensor2D[];
  /** Of the next tokens, (B*T, V). */
  logProbabilities: tf.Tensor2D;
}

/** Makes tensors of a teacher; `disposeTeacher` frees them. Throws as `createParameters` does. */
export function createTeacher({ architecture, values, distill }: TeacherSource): Teacher {
  const tables = attentionTables(architecture, architecture.context);
  return { architecture, distill, parameters: createParameters(architecture, values), tables };
}

/** Frees what `createTeacher` made. */
export function disposeTeacher({ parameters, tables }: Teacher): void {
  disposeParameters(parameters);
  disposeTables(tables);
}

/** The teacher's forward pass over a batch, without gradient. `ids` (B*T) int32. */
export function teach({ architecture, parameters, tables }: Teacher, ids: tf.Tensor1D): Taught {
  return inSection('teacher', () => {
    const output = forward(architecture, parameters, ids, tables);
    return { states: output.states, logProbabilities: tf.logSoftmax(logits(output)) };
  });
}

/**
 * How far a model is from its teacher (MoEBERT, arXiv 2204.07675, eq. 6 and 7): the sum over layers l of MSE(X^l, X^l of the teacher), X^0 being the
 * embedding, and (KL(p || q) + KL(q || p)) / 2 of the predictions, mean over tokens. MSE is the mean over all numbers of a state.
 */
export function distillationLoss(
  output: ForwardOutput,
  taught: Taught,
  layers: TeacherSource['distill']['layers'],
): tf.Scalar {
  const own = tf.logSoftmax(logits(output)); // (B*T, V)
  const other = taught.logProbabilities;
  const products = tf.mul(tf.sub(tf.exp(own), tf.exp(other)), tf.sub(own, other)); // (B*T, V), both divergences
  const divergence: tf.Scalar = tf.mul(tf.mean(tf.sum(products, 1)), 0.5);
  const first = { all: 0, last: output.states.length - 1, none: output.states.length }[layers];
  const distances = output.states
    .map((state, i) => [state, taught.states[i]!] as const)
    .slice(first)
    .map(([state, target]) => tf.mean(tf.square(tf.sub(state, target))) as tf.Scalar);
  return tf.addN([divergence, ...distances]);
}
