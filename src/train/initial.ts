import { join } from 'node:path';
import { deriveSeed } from '../base/random';
import { CheckpointError } from '../base/errors';
import { type Checkpoint, checkpointName, listCheckpoints, loadCheckpoint } from '../checkpoint/checkpoint';
import { randomValues } from '../model/parameters';
import type { Plan, PlannedStage } from '../plan/plan';
import { describeMixture, type Parent, upcycle } from '../upcycle/upcycle';

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
  const load = ({ name, key }: { name: string; key: string }): Parent => {
    const { architecture: own, parameters } = loadFinal(name, checkpoints(key));
    return { name, architecture: own, parameters };
  };
  if (stage.upcycle) {
    const values = upcycle(parents.map(load), architecture, deriveSeed(plan.seed, 'upcycle'));
    return { values, description: describeMixture(architecture) };
  }
  if (parents[0]) return { values: load(parents[0]).parameters, description: `from stage ${parents[0].name}` };
  return { values: randomValues(architecture, plan.seed), description: 'random parameters' };
}

/** The last checkpoint of a finished stage. Throws a `CheckpointError` that names the stage where it has none. */
export function loadFinal(name: string, folder: string): Checkpoint {
  const step = listCheckpoints(folder).at(-1);
  if (step === undefined) {
    throw new CheckpointError(`Stage ${name} should have a checkpoint in ${folder}, found none.`, {
      reason: 'missing',
      advice: `Run the stage again: bam run FILE --stages ${name}`,
    });
  }
  return loadCheckpoint(join(folder, checkpointName(step)), 'model');
}
