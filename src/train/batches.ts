import { deriveSeed } from '../base/random';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import { type Batch, countedTargets } from '../data/sequences';
import { drawRouting } from '../model/draws';
import type { Plan, PlannedStage, TrainPlan } from '../plan/plan';
import type { TrainingBatch } from './step';

/** What decides the batches of a stage. */
export interface BatchSource {
  stage: PlannedStage;
  domains: ReadonlyMap<string, OpenDomain>;
}

/** The text that a sampler draws from. */
export type TrainingText = ConstructorParameters<typeof MixtureSampler>[0];

/** The training text of a mix of domains. */
export function trainingText(mix: Readonly<Record<string, number>>, domains: BatchSource['domains']): TrainingText {
  return Object.entries(mix).map(([name, weight]) => ({ name, weight, file: domains.get(name)!.train }));
}

/** The batches that a stage trains on, from its beginning or from where its sampler stood (`draws`). */
export function startSampler(
  { stage, domains }: BatchSource,
  { mix }: TrainPlan,
  draws?: Record<string, number>,
): MixtureSampler {
  const seed = deriveSeed(stage.seed, 'batches');
  return new MixtureSampler(trainingText(mix, domains), stage.architecture.context, seed, draws && { draws });
}

/** Which batches have weights. */
export interface Weighted {
  training: boolean;
  evaluation: boolean;
}

/** Whether a stage's batches have weights: where some of their sequences are instructions. */
export function weightedBatches({ domains }: Pick<Plan, 'domains'>, { train }: Pick<PlannedStage, 'train'>): Weighted {
  const instructions = domains.filter(({ config }) => config.answer !== undefined);
  const isRead = ({ name }: { name: string }): boolean => train !== undefined && Object.hasOwn(train.mix, name);
  return { training: instructions.some(isRead), evaluation: instructions.length > 0 };
}

/**
 * The passes that step `step` of a stage divides its batch into, of equal size, with what their routers draw. Weights become shares: the
 * mean of the passes' losses is the mean over all targets of the batch that are learnt.
 */
export function trainingPasses(
  { architecture, seed }: PlannedStage,
  train: TrainPlan,
  batch: Batch,
  step: number,
): TrainingBatch[] {
  const size = batch.inputs.length / train.accumulate;
  const share = train.accumulate / Math.max(1, countedTargets(batch));
  return Array.from({ length: train.accumulate }, (_, pass) => ({
    inputs: batch.inputs.subarray(pass * size, (pass + 1) * size),
    targets: batch.targets.subarray(pass * size, (pass + 1) * size),
    ...(batch.weights && {
      weights: batch.weights.subarray(pass * size, (pass + 1) * size).map((weight) => weight * share),
    }),
    draws: drawRouting(architecture, size, { seed: deriveSeed(seed, 'routing'), step, pass }),
  }));
}
