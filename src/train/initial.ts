import { join } from 'node:path';
import { deriveSeed } from '../base/random';
import { CheckpointError } from '../base/errors';
import type { UpcycleConfig } from '../config/schema';
import { checkpointName, listCheckpoints, loadCheckpoint } from '../checkpoint/checkpoint';
import { randomValues } from '../model/parameters';
import type { Plan, PlannedStage } from '../plan/plan';
import { describeMixture } from '../upcycle/describe';
import { type Parent, upcycle } from '../upcycle/upcycle';

/** The parameters that a stage starts from, and in words where they came from. */
export interface InitialParameters {
  values: ReadonlyMap<string, Float32Array>;
  description: string;
}

/**
 * A stage's first parameters: random, its parent's, or a mixture of its parents. `checkpoints` gives the folder of a stage's
 * checkpoints by key. Throws a `CheckpointError` where a parent has none or does not fit.
 */
export function initialParameters(
  plan: Plan,
  stage: PlannedStage,
  checkpoints: (key: string) => string,
): InitialParameters {
  const { parents, architecture } = stage;
  if (!parents[0]) return { values: randomValues(architecture, plan.seed), description: 'random parameters' };
  if (stage.upcycle) return upcycled(plan.seed, stage, stage.upcycle, checkpoints);
  const { parameters } = loadParent(parents[0], checkpoints);
  return { values: parameters, description: `from stage ${parents[0].name}` };
}

function upcycled(
  seed: number,
  { parents, architecture }: PlannedStage,
  config: UpcycleConfig,
  checkpoints: (key: string) => string,
): InitialParameters {
  // A checkpoint that is listed twice is one parent.
  const byKey = new Map(parents.map((parent) => [parent.key, parent]));
  const loaded = new Map([...byKey].map(([key, parent]) => [key, loadParent(parent, checkpoints)]));
  const experts = parents.flatMap(({ key }) => Array.from({ length: config.copies ?? 1 }, () => loaded.get(key)!));
  return {
    values: upcycle(experts, architecture, deriveSeed(seed, 'upcycle'), config),
    description: describeMixture(architecture, experts, config),
  };
}

/** The last checkpoint of a finished stage. */
function loadParent({ name, key }: PlannedStage['parents'][number], checkpoints: (key: string) => string): Parent {
  const folder = checkpoints(key);
  const step = listCheckpoints(folder).at(-1);
  if (step === undefined) {
    throw new CheckpointError(`Stage ${name} should have a checkpoint in ${folder}, found none.`, {
      reason: 'missing',
      advice: `Run the stage again: bam run FILE --stages ${name}`,
    });
  }
  return { name, ...loadCheckpoint(join(folder, checkpointName(step)), 'model') };
}
