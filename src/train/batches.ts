import { deriveSeed } from '../base/random';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import type { Batch } from '../data/sequences';
import type { PlannedStage, TrainPlan } from '../plan/plan';

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

/** Divides a batch into passes of equal size. */
export function splitBatch({ inputs, targets }: Batch, passes: number): Batch[] {
  const size = inputs.length / passes;
  return Array.from({ length: passes }, (_, i) => ({
    inputs: inputs.subarray(i * size, (i + 1) * size),
    targets: targets.subarray(i * size, (i + 1) * size),
  }));
}
