import { join } from 'node:path';
import { deriveSeed } from '../base/random';
import { CheckpointError } from '../base/errors';
import { checkpointName, listCheckpoints, loadCheckpoint } from '../checkpoint/checkpoint';
import type { Architecture } from '../architecture/architecture';
import { FileHashes } from '../data/hashes';
import { importParameters } from '../interop/import';
import { randomValues } from '../model/parameters';
import { describeImport, findImport } from '../plan/imports';
import type { Plan, PlannedImport, PlannedStage } from '../plan/plan';
import { describeMixture, type Parent, upcycle } from '../upcycle/upcycle';

/** The parameters that a stage starts from, and in words where they came from. */
export interface InitialParameters {
  values: ReadonlyMap<string, Float32Array>;
  description: string;
  /** What to know about them before the result is believed. */
  warning?: string;
}

/**
 * A stage's first parameters: random, imported, its parent's, or a mixture of its parents. `checkpoints` gives the folder of a stage's
 * checkpoints by key. Throws a `CheckpointError` where a parent has none or does not fit.
 */
export async function initialParameters(
  plan: Plan,
  stage: PlannedStage,
  checkpoints: (key: string) => string,
): Promise<InitialParameters> {
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
  if (stage.import) return importedParameters(plan, architecture, stage.import);
  return { values: randomValues(architecture, plan.seed), description: 'random parameters' };
}

/** Reads a checkpoint of another program, which has to be what was planned. */
async function importedParameters(
  { folder }: Plan,
  { context }: Architecture,
  planned: PlannedImport,
): Promise<InitialParameters> {
  const { planned: found, model } = await findImport(planned, context, folder, FileHashes.fresh());
  if (found.fingerprint !== planned.fingerprint) {
    throw new CheckpointError(`The files of ${planned.huggingFace} have changed since the run was planned.`, {
      reason: 'changed',
      advice: 'Run the experiment again; it is then planned with the files as they are.',
    });
  }
  return {
    values: importParameters(model),
    description: `from ${describeImport(planned)}`,
    ...(planned.parallelize && {
      warning: `The blocks of ${planned.huggingFace} were made parallel: it does not compute what it did before. Train it before you compare.`,
    }),
  };
}

/** The last checkpoint of a finished stage. */
function loadFinal(name: string, folder: string) {
  const step = listCheckpoints(folder).at(-1);
  if (step === undefined) {
    throw new CheckpointError(`Stage ${name} should have a checkpoint in ${folder}, found none.`, {
      reason: 'missing',
      advice: `Run the stage again: bam run FILE --stages ${name}`,
    });
  }
  return loadCheckpoint(join(folder, checkpointName(step)), 'model');
}
