import { loadCheckpoint, readProvenance } from '../checkpoint/checkpoint';
import { mergeAdapters } from '../interop/merge-adapters';
import type { Precision } from '../base/offload-words';
import { writeExpertFolder, type WrittenExperts } from '../offload/write-folder';

export interface QuantizeOptions {
  /** Folder of a checkpoint. */
  checkpoint: string;
  to: string;
  precisions: readonly Precision[];
  group: number;
}

/**
 * Writes the FFN experts of a mixture's checkpoint in several precisions, beside the weights that stay in memory; adapters of one expert are
 * merged into the weights. Throws what `loadCheckpoint`, `mergeAdapters` and `writeExpertFolder` throw.
 */
export function quantizeCheckpoint({ checkpoint, ...options }: QuantizeOptions): WrittenExperts & { step: number } {
  const loaded = loadCheckpoint(checkpoint, 'model');
  const { step } = loaded.training;
  const { stage = checkpoint, key = '' } = readProvenance(checkpoint);
  const { architecture, parameters } = mergeAdapters(loaded);
  return { step, ...writeExpertFolder({ ...options, architecture, parameters, source: { stage, key, step } }) };
}
