import { CheckpointError } from '../base/errors';
import { FileHashes } from '../data/hashes';
import { importParameters } from '../interop/import';
import { describeImport, findImport } from '../plan/imports';
import type { PlannedImport } from '../plan/plan';
import type { InitialParameters } from './initial';

/**
 * Reads the checkpoint of another program that a stage starts from; `folder` is the experiment file's. Throws a `CheckpointError`:
 * `changed` where the files are not those that were planned, or what `findImport` throws.
 */
export async function importedParameters(
  planned: PlannedImport,
  context: number,
  folder: string,
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
