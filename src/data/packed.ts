import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { BamError } from '../base/errors';
import { readJson } from '../base/files';

/** Counts up whenever the same corpus and tokenizer would give other token files. */
export const PACK_FORMAT = 1;

const countsSchema = z.object({
  /** With the end of each document. */
  tokens: z.int().min(0),
  documents: z.int().min(0),
  /** UTF-8 bytes of the text. */
  bytes: z.int().min(0),
  /** Of instructions: tokens that are learnt, with the end of each document, and the bytes of the answers. */
  answers: z.object({ tokens: z.int().min(0), bytes: z.int().min(0) }).optional(),
});

const metaSchema = z.object({
  format: z.literal(PACK_FORMAT),
  /** Bytes of a token. */
  width: z.union([z.literal(2), z.literal(4)]),
  train: countsSchema,
  heldOut: countsSchema,
});

export type PartCounts = z.output<typeof countsSchema>;
export type PackMeta = z.output<typeof metaSchema>;

/** The two sides of a domain. */
export type Part = 'train' | 'heldOut';
export const PARTS: readonly Part[] = ['train', 'heldOut'];

/** A domain as tokens on disk. */
export interface PackedDomain extends PackMeta {
  folder: string;
}

/** The token file of one side. */
export function partPath(folder: string, part: Part): string {
  return join(folder, part === 'train' ? 'train.bin' : 'heldout.bin');
}

/** The marks of one side of instructions: which tokens are learnt. */
export function marksPath(folder: string, part: Part): string {
  return partPath(folder, part).replace(/bin$/, 'marks.bin');
}

/** What says that a folder is complete; written last. */
export function metaPath(folder: string): string {
  return join(folder, 'meta.json');
}

/** What was packed into a folder, or `undefined` where it is missing, cut short or damaged. */
export function readPacked(folder: string): PackedDomain | undefined {
  const meta = readMeta(metaPath(folder));
  const isWhole = meta && PARTS.every((part) => isPartWhole(folder, part, meta));
  return isWhole ? { folder, ...meta } : undefined;
}

function isPartWhole(folder: string, part: Part, { width, ...meta }: PackMeta): boolean {
  const { tokens, answers } = meta[part];
  if (sizeOf(partPath(folder, part)) !== tokens * width) return false;
  return !answers || sizeOf(marksPath(folder, part)) === tokens;
}

function readMeta(path: string): PackMeta | undefined {
  try {
    return metaSchema.safeParse(readJson(path)).data;
  } catch (error) {
    if (error instanceof BamError) return undefined;
    throw error;
  }
}

function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
