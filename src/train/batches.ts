import { deriveSeed } from '../base/random';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import type { Batch } from '../data/sequences';
import { drawRouting } from '../model/draws';
import type { PlannedStage, TrainPlan } from '../plan/plan';
import type { TrainingBatch } from './step';

/** What decides the batches of a stage. */
export interface BatchSource {
  stage: PlannedStage;
  domains: ReadonlyMap<string, OpenDomain>;
}

/** The batches that a stage trains on, from its beginning or from where its sampler stood (`draws`). */
export function startSampler(
  { stage, domains }: BatchSource,
  { mix }: TrainPlan,
  draws?: Record<string, number>,
): MixtureSampler {
  const sources = Object.entries(mix).map(([name, weight]) => ({ name, weight, file: domains.get(name)!.train }));
  const seed = deriveSeed(stage.seed, 'batches');
  return new MixtureSampler(sources, stage.architecture.context, seed, draws && { draws });
}

/** The passes that step `step` of a stage divides its batch into, of equal size, with what their routers draw. */
export function trainingPasses(
  { architecture, seed }: PlannedStage,
  train: TrainPlan,
  batch: Batch,
  step: number,
): TrainingBatch[] {
  const size = batch.inputs.length / train.accumulate;
  return Array.from({ length: train.accumulate }, (_, pass) => ({
    inputs: batch.inputs.subarray(pass * size, (pass + 1) * size),
    targets: batch.targets.subarray(pass * size, (pass + 1) * size),
    draws: drawRouting(architecture, size, { seed: deriveSeed(seed, 'routing'), step, pass }),
  }));
}
