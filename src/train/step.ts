import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import type { Batch } from '../data/sequences';
import type { Routing } from '../events/event';
import { type AttentionTables, attentionTables } from '../model/attention';
import { disposeParameters, type ModelParameters, readParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import { forward, losses } from '../model/transformer';
import type { TrainPlan } from '../plan/plan';
import { AdamW, clipFactor, type Moments } from './adamw';
import { RoutingStatistics } from './routing-statistics';

/** What a training step did; losses are means over the step's passes, before the update. */
export interface StepResult {
  loss: number;
  languageModel: number;
  loadBalance: number;
  routerZ: number;
  /** Global norm of the gradient before clipping. */
  gradientNorm: number;
  /** Empty unless asked for. */
  routing: Routing[];
}

/** A model under training. The loop knows only this, not how a step is computed. */
export interface Step {
  /**
   * One optimizer step over one or more passes of equal size. `step` counts from 0. Returns without updating where a loss or
   * the gradient is not finite, so that the caller can stop with the last good parameters.
   */
  train(passes: readonly Batch[], learningRate: number, step: number, wantRouting: boolean): StepResult;
  /** Evaluates a batch; routing is added to `routers`. Returns the summed loss in nats. */
  evaluate(batch: Batch, routers: RoutingStatistics): number;
  readParameters(): Map<string, Float32Array>;
  readMoments(): Moments;
  dispose(): void;
}

type Scalars = [number, number, number, number, number];
type TrainSettings = Pick<TrainPlan, 'beta1' | 'beta2' | 'weightDecay' | 'clip' | 'loadBalance' | 'routerZ'>;

/** Runs every operation as it comes ("eager"): works on every backend, and is the reference for faster forms. */
export class EagerStep implements Step {
  private readonly optimizer: AdamW;
  private readonly tables: AttentionTables;

  constructor(
    private readonly architecture: Architecture,
    private readonly parameters: ModelParameters,
    private readonly settings: TrainSettings,
    moments?: Moments,
  ) {
    this.optimizer = new AdamW(parameters, settings, moments);
    this.tables = attentionTables(architecture, architecture.context);
  }

  train(passes: readonly Batch[], learningRate: number, step: number, wantRouting: boolean): StepResult {
    const statistics = new RoutingStatistics();
    return tf.tidy(() => {
      const gradients = new Map<string, tf.Tensor>();
      const sums = tf.addN(passes.map((pass) => this.pass(pass, gradients, wantRouting ? statistics : undefined)));
      const { factor, norm } = clipFactor(gradients.values(), this.settings.clip * passes.length);
      const means = tf.div(tf.concat1d([sums, norm.reshape([1])]), passes.length);
      const [loss, languageModel, loadBalance, routerZ, gradientNorm] = [...means.dataSync<'float32'>()] as Scalars;
      if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) {
        this.optimizer.apply(gradients, tf.div(factor, passes.length), learningRate, step + 1);
      }
      return { loss, languageModel, loadBalance, routerZ, gradientNorm, routing: statistics.summarize() };
    });
  }

  /** Adds one pass's gradients to `gradients` and returns its losses, (4): total, language model, load balance, router z. */
  private pass(batch: Batch, gradients: Map<string, tf.Tensor>, statistics?: RoutingStatistics): tf.Tensor1D {
    // What the closure hands out must be kept: the gradient tape lets go of every other tensor made inside it.
    const kept: { parts?: tf.Tensor; routers: RouterOutput[] } = { routers: [] };
    const { grads } = tf.variableGrads(() => {
      const output = forward(this.architecture, this.parameters, tf.tensor1d(batch.inputs, 'int32'), this.tables);
      const found = losses(output, tf.tensor1d(batch.targets, 'int32'), this.settings);
      kept.parts = tf.keep(tf.stack([found.total, found.languageModel, found.loadBalance, found.routerZ]));
      if (statistics) kept.routers = output.routers.map(keepProbabilities);
      return found.total;
    }, [...this.parameters.values()]);
    statistics?.add(kept.routers);
    for (const [name, variable] of this.parameters) {
      const gradient = grads[variable.name];
      // An expert that no token of this pass chose has no gradient here, though it may have one of another pass.
      if (!gradient) continue;
      const before = gradients.get(name);
      gradients.set(name, before ? tf.add(before, gradient) : gradient);
      if (before) tf.dispose([before, gradient]);
    }
    const parts = kept.parts!.clone() as tf.Tensor1D;
    tf.dispose([kept.parts!, kept.routers.map(({ probabilities }) => probabilities)]);
    return parts;
  }

  evaluate(batch: Batch, routers: RoutingStatistics): number {
    return tf.tidy(() => {
      const output = forward(this.architecture, this.parameters, tf.tensor1d(batch.inputs, 'int32'), this.tables);
      routers.add(output.routers);
      const targets = tf.tensor1d(batch.targets, 'int32');
      const { languageModel } = losses({ ...output, routers: [] }, targets, this.settings);
      return languageModel.dataSync<'float32'>()[0]! * batch.targets.length;
    });
  }

  readParameters(): Map<string, Float32Array> {
    return readParameters(this.parameters);
  }

  readMoments(): Moments {
    return this.optimizer.read();
  }

  dispose(): void {
    this.optimizer.dispose();
    disposeParameters(this.parameters);
    tf.dispose([this.tables.mask, this.tables.rotary.cosine, this.tables.rotary.sine]);
  }
}

function keepProbabilities(output: RouterOutput): RouterOutput {
  return { ...output, probabilities: tf.keep(tf.clone(output.probabilities)) };
}
