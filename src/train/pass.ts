import * as tf from '@tensorflow/tfjs';
import type { Architecture } from '../architecture/architecture';
import { inSection } from '../engine/graph/tape';
import { type AttentionTables } from '../model/attention';
import type { DrawTensors } from '../model/draws';
import { type ModelParameters, trainedParameters } from '../model/parameters';
import type { RouterOutput } from '../model/routing';
import { forward, losses } from '../model/transformer';
import { distillationLoss, teach, type Teacher } from './distill';
import type { TrainSettings } from './step';

/** What a pass computes with. */
export interface PassModel {
  architecture: Architecture;
  parameters: ModelParameters;
  tables: AttentionTables;
  settings: Pick<TrainSettings, 'loadBalance' | 'routerZ' | 'freeze'>;
  /** What the model learns from in training beside the text. */
  teacher?: Teacher | undefined;
}

/** How many losses a pass has. */
export const LOSSES = 5;

/** What the forward and backward pass over a batch gives. */
export interface TrainingPass {
  /** (5): total, language model, load balance, router z, distillation (0 without a teacher). */
  losses: tf.Tensor1D;
  /** By parameter name; a parameter that took no part, or that is frozen, has none. */
  gradients: Map<string, tf.Tensor>;
  routers: RouterOutput[];
}

/** The forward and backward pass over a batch. `inputs`, `targets` (B*T) int32, `weights` (B*T) as `losses` has them. Call it inside a `tf.tidy`. */
export function trainingPass(
  model: PassModel,
  inputs: tf.Tensor1D,
  targets: tf.Tensor1D,
  draws: DrawTensors,
  weights?: tf.Tensor1D,
): TrainingPass {
  // What the closure hands out must be kept: the gradient tape lets go of every other tensor made inside it.
  const kept: { parts?: tf.Tensor; routers: RouterOutput[] } = { routers: [] };
  const trained = trainedParameters(model.architecture, model.parameters, model.settings.freeze);
  const { teacher } = model;
  const taught = teacher && teach(teacher, inputs);
  const { grads } = tf.variableGrads(() => {
    const output = forward(model.architecture, model.parameters, inputs, model.tables, draws);
    const found = losses(output, targets, model.settings, weights);
    const distillation = taught
      ? inSection('distillation', () => distillationLoss(output, taught, teacher.distill.layers))
      : tf.scalar(0);
    const total = teacher
      ? (tf.add(found.total, tf.mul(distillation, teacher.distill.weight)) as tf.Scalar)
      : found.total;
    kept.parts = tf.keep(tf.stack([total, found.languageModel, found.loadBalance, found.routerZ, distillation]));
    kept.routers = output.routers.map((router) => mapDecision(router, (tensor) => tf.keep(tf.clone(tensor))));
    return total;
  }, [...trained.values()]);
  const entries = [...trained].map(([name, variable]) => [name, grads[variable.name]] as const);
  return {
    losses: released(kept.parts as tf.Tensor1D),
    gradients: new Map(entries.filter((entry): entry is [string, tf.Tensor] => entry[1] !== undefined)),
    routers: kept.routers.map((router) => mapDecision(router, released)),
  };
}

/** Does the same to every tensor that a router's statistics are made from. */
function mapDecision(router: RouterOutput, change: <T extends tf.Tensor>(tensor: T) => T): RouterOutput {
  const { layer, router: kind, logits, probabilities, assigned, chosen, removed, zeroComputation } = router;
  return {
    layer,
    router: kind,
    ...(logits && { logits: change(logits) }),
    probabilities: change(probabilities),
    ...(assigned && { assigned: change(assigned) }),
    ...(chosen && { chosen: change(chosen) }),
    ...(removed && { removed }),
    ...(zeroComputation && { zeroComputation }),
  };
}

/** A kept tensor as one that the enclosing `tf.tidy` frees. */
function released<T extends tf.Tensor>(kept: T): T {
  const copy = tf.clone(kept);
  kept.dispose();
  return copy;
}

/** The forward pass over a batch, without gradient: the mean loss, or with `weights` the sum of weight times loss. */
export function evaluationPass(
  model: PassModel,
  inputs: tf.Tensor1D,
  targets: tf.Tensor1D,
  weights?: tf.Tensor1D,
): { languageModel: tf.Scalar; routers: RouterOutput[] } {
  const output = forward(model.architecture, model.parameters, inputs, model.tables);
  const { languageModel } = losses({ ...output, routers: [] }, targets, model.settings, weights);
  return { languageModel, routers: output.routers };
}
