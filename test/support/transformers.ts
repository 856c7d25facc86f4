import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', 'parity', 'checkpoints');

/** Sequences of the checkpoints that test/parity/transformers_models.py wrote. */
export const CONTEXT = 24;

/** A checkpoint that the transformers library wrote, and the logits that it computes from it. */
export interface TransformersCase {
  name: string;
  folder: string;
  /** Sequences one after the other. */
  ids: Int32Array;
  logits: Float32Array;
  /** Of the next ids; the last of a sequence is to tell the first. */
  loss: number;
  /** Norm of the loss's gradient by every tensor, with the names of transformers. */
  gradientNorms: Record<string, number>;
}

/** The stored checkpoints of the transformers library. */
export function transformersCases(): TransformersCase[] {
  return readdirSync(FOLDER).map((name) => {
    const folder = join(FOLDER, name);
    const { ids, logits, ...rest } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as {
      ids: number[][];
      logits: number[];
      loss: number;
      gradientNorms: Record<string, number>;
    };
    return { name, folder, ids: Int32Array.from(ids.flat()), logits: Float32Array.from(logits), ...rest };
  });
}

/** The folder of one stored checkpoint. */
export function transformersFolder(name: string): string {
  return join(FOLDER, name);
}
