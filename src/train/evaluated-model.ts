import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import type { Batch } from '../data/sequences';
import { crossEntropy } from '../engine/ops/cross-entropy';
import { takeRows } from '../engine/ops/rows';
import { type AttentionTables, attentionTables } from '../model/attention';
import { disposeParameters, type ModelParameters } from '../model/parameters';
import { forward, logits } from '../model/transformer';
import { evaluationPass, type PassModel } from './pass';
import type { RoutingStatistics } from './routing-statistics';

/** What evaluation asks of a model, or of several that speak as one. V is the size of the vocabulary. */
export interface EvaluatedModel {
  /** Evaluates a batch; routing is added to `routers`. Returns the summed loss in nats. */
  evaluate(batch: Batch, routers: RoutingStatistics): number;
  /** Negative log-likelihood of every target, in nats, in the order of the batch. */
  tokenLosses(batch: Batch): Float32Array;
  /**
   * Logarithms of the probabilities of the token behind some positions. `inputs` are whole sequences of the context; `rows` are indices
   * into them -> (rows x V). An ensemble weighs its members by what stands before in the same sequence.
   */
  logProbabilities(inputs: Int32Array, rows: Int32Array): Float32Array;
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

  evaluate({ inputs, targets }: Batch, routers: RoutingStatistics): number {
    return tf.tidy(() => {
      const pass = evaluationPass(this.model, tf.tensor1d(inputs, 'int32'), tf.tensor1d(targets, 'int32'));
      routers.add(pass.routers);
      return pass.languageModel.dataSync<'float32'>()[0]! * targets.length;
    });
  }

  tokenLosses({ inputs, targets }: Batch): Float32Array {
    return tf.tidy(() => {
      const scores = logits(this.forward(inputs)); // (B*T, V)
      return crossEntropy(scores, tf.tensor1d(targets, 'int32')).dataSync<'float32'>();
    });
  }

  logProbabilities(inputs: Int32Array, rows: Int32Array): Float32Array {
    return tf.tidy(() => {
      const output = this.forward(inputs);
      const last = takeRows(output.last, tf.tensor1d(rows, 'int32')); // (rows, E)
      return tf.logSoftmax(logits({ ...output, last })).dataSync<'float32'>();
    });
  }

  private forward(inputs: Int32Array) {
    const { architecture, parameters, tables } = this.model;
    return forward(architecture, parameters, tf.tensor1d(inputs, 'int32'), tables);
  }

  dispose(): void {
    disposeParameters(this.model.parameters);
    const { mask, rotary } = this.tables;
    tf.dispose([mask, rotary.cosine, rotary.sine]);
  }
}
