import { join } from 'node:path';
import { loadCheckpoint, MODEL_FILE, readProvenance } from '../checkpoint/checkpoint';
import { readSafetensorsHeader } from '../checkpoint/safetensors';
import { mergeAdapters } from '../interop/merge-adapters';
import type { Precision } from '../offload/precision';
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
  const { metadata } = readSafetensorsHeader(join(checkpoint, MODEL_FILE));
  const { stage = checkpoint, key = '' } = readProvenance(metadata.provenance) ?? {};
  const { architecture, parameters } = mergeAdapters(loaded);
  return { step, ...writeExpertFolder({ ...options, architecture, parameters, source: { stage, key, step } }) };
}
