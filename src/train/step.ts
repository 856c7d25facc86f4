import type { Batch } from '../data/sequences';
import type { Routing } from '../events/event';
import type { Draws } from '../model/draws';
import type { TrainPlan } from '../plan/plan';
import type { Moments } from './adamw';
import type { RoutingStatistics } from './routing-statistics';

/** What a training step did; losses are means over the step's passes, before the update. */
export interface StepResult {
  loss: number;
  languageModel: number;
  loadBalance: number;
  routerZ: number;
  /** Before its coefficient; absent without a teacher. */
  distillation?: number;
  /** Global norm of the gradient before clipping. */
  gradientNorm: number;
  /** Empty unless asked for. */
  routing: Routing[];
}

/** The settings that a step is computed with. */
export type TrainSettings = Pick<
  TrainPlan,
  'beta1' | 'beta2' | 'weightDecay' | 'clip' | 'loadBalance' | 'routerZ' | 'freeze'
>;

/** What a training pass reads. Its weights add up to 1 over the mean of a step's passes, so that the loss is a mean. */
export interface TrainingBatch extends Batch {
  /** What the routers draw; may be left out of models that draw nothing. */
  draws?: Draws;
}

/** A model under training. The loop knows only this, not how a step is computed. */
export interface Step {
  /**
   * One optimizer step over one or more passes of equal size. `step` counts from 0. Returns without updating where a loss or
   * the gradient is not finite, so that the caller can stop with the last good parameters.
   */
  train(passes: readonly TrainingBatch[], learningRate: number, step: number, wantRouting: boolean): StepResult;
  /** Evaluates a batch; routing is added to `routers`. Returns the summed loss in nats, each times its weight. */
  evaluate(batch: Batch, routers: RoutingStatistics): number;
  readParameters(): Map<string, Float32Array>;
  readMoments(): Moments;
  dispose(): void;
}
