import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import type { Batch } from '../data/sequences';
import { crossEntropy } from '../engine/ops/cross-entropy';
import { takeRows } from '../engine/ops/rows';
import { type AttentionTables, attentionTables, disposeTables } from '../model/attention';
import { disposeParameters, type ModelParameters } from '../model/parameters';
import { forward, type ForwardOutput, logits } from '../model/transformer';
import { evaluationPass, type PassModel } from './pass';
import type { RoutingStatistics } from './routing-statistics';

/**
 * What evaluation asks of a model, or of several that speak as one. V is the size of the vocabulary; `length` is how many tokens each
 * sequence of a batch has, the model's context or less.
 */
export interface EvaluatedModel {
  /** Evaluates a batch of whole contexts; routing is added to `routers`. Returns the summed loss in nats, each times its weight. */
  evaluate(batch: Batch, routers: RoutingStatistics): number;
  /** Negative log-likelihood of every target, in nats, in the order of the batch. */
  tokenLosses(batch: Batch, length: number): Float32Array;
  /**
   * Logarithms of the probabilities of the token behind some positions. `rows` are indices into `inputs` -> (rows x V). An ensemble weighs its members by what stands before in the same sequence.
   */
  logProbabilities(inputs: Int32Array, rows: Int32Array, length: number): Float32Array;
  dispose(): void;
}

/** One model that is evaluated operation by operation. Owns its parameters. */
export class EagerModel implements EvaluatedModel {
  readonly tables: AttentionTables;
  private readonly model: PassModel;

  constructor(architecture: Architecture, parameters: ModelParameters) {
    this.tables = attentionTables(architecture, architecture.context);
    this.model = { architecture, parameters, tables: this.tables, settings: { loadBalance: 0, routerZ: 0 } };
  }

  evaluate({ inputs, targets, weights }: Batch, routers: RoutingStatistics): number {
    return tf.tidy(() => {
      const [ids, wanted] = [tf.tensor1d(inputs, 'int32'), tf.tensor1d(targets, 'int32')];
      const pass = evaluationPass(this.model, ids, wanted, weights && tf.tensor1d(weights));
      routers.add(pass.routers);
      return pass.languageModel.dataSync<'float32'>()[0]! * (weights ? 1 : targets.length);
    });
  }

  tokenLosses({ inputs, targets }: Batch, length: number): Float32Array {
    return tf.tidy(() => {
      const scores = logits(this.forward(inputs, length)); // (B*T, V)
      return crossEntropy(scores, tf.tensor1d(targets, 'int32')).dataSync<'float32'>();
    });
  }

  logProbabilities(inputs: Int32Array, rows: Int32Array, length: number): Float32Array {
    return tf.tidy(() => {
      const output = this.forward(inputs, length);
      const last = takeRows(output.last, tf.tensor1d(rows, 'int32')); // (rows, E)
      return tf.logSoftmax(logits({ ...output, last })).dataSync<'float32'>();
    });
  }

  private forward(inputs: Int32Array, length: number): ForwardOutput {
    const { architecture, parameters } = this.model;
    const tables = length === architecture.context ? this.tables : attentionTables(architecture, length);
    return forward(architecture, parameters, tf.tensor1d(inputs, 'int32'), tables);
  }

  dispose(): void {
    disposeParameters(this.model.parameters);
    disposeTables(this.tables);
  }
}
