import { createHash } from 'node:crypto';
import * as z from 'zod';
import { CheckpointError } from '../base/errors';
import { PRECISIONS } from '../base/offload-words';

/** What does not belong to one FFN expert, with the architecture in its metadata. */
export const RESIDENT_FILE = 'resident.safetensors';
export const INDEX_FILE = 'experts.json';

const regionSchema = z.object({ offset: z.int().min(0), bytes: z.int().min(0), sha256: z.string() });
export const indexSchema = z.object({
  version: z.literal(1),
  /** The stage and step that the weights are from. */
  source: z.object({ stage: z.string(), key: z.string(), step: z.int() }),
  group: z.int().min(1),
  /** Of every expert, by precision: all matrices have the same shapes. */
  matrices: z.array(z.object({ projection: z.string(), shape: z.array(z.int()), group: z.int() })),
  files: z.partialRecord(z.enum(PRECISIONS), z.object({ name: z.string(), bytes: z.int() })),
  experts: z.array(
    z.object({ layer: z.int(), expert: z.int(), regions: z.partialRecord(z.enum(PRECISIONS), regionSchema) }),
  ),
});
/** What a folder of experts holds, and where. */
export type ExpertIndex = z.output<typeof indexSchema>;

/** How people are told which expert is meant. */
export function expertTitle(layer: number, expert: number): string {
  return `FFN expert ${expert} of layer ${layer}`;
}

/** A checksum in hexadecimal digits. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What is thrown for a folder whose content is not what its index says. */
export function damaged(path: string, problem: string): CheckpointError {
  return new CheckpointError(`The experts in ${path} are damaged: ${problem}.`, {
    reason: 'damaged',
    advice: 'Delete this folder and make it again with `bam quantize`.',
  });
}
