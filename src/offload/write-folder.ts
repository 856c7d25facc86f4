import { closeSync, fsyncSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Architecture, remainingExperts } from '../architecture/architecture';
import { biasName, ffnName, type FfnProjection, isOfFfnExpert, parameterSpecs } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { writeAll, writeFileAtomic, writeNewFolder } from '../base/files';
import { putSafetensors, type StoredTensor } from '../checkpoint/safetensors';
import { encodeExpert, type ExpertTensors } from './encode';
import { type ExpertIndex, expertTitle, INDEX_FILE, RESIDENT_FILE, sha256 } from './expert-index';
import { type ExpertLayout, expertLayout } from './layout';
import type { Precision } from '../base/offload-words';

export interface ExpertFolderOptions {
  architecture: Architecture;
  parameters: ReadonlyMap<string, Float32Array>;
  source: ExpertIndex['source'];
  /** The folder to be made. It must not exist, or be empty. */
  to: string;
  precisions: readonly Precision[];
  /** How many weights of a row have one scale, at most. */
  group: number;
}

/** What was written: bytes of the weights that stay in memory, and of one expert by precision. */
export interface WrittenExperts {
  folder: string;
  experts: number;
  residentBytes: number;
  expertBytes: Partial<Record<Precision, number>>;
}

/**
 * Writes a mixture as weights that stay in memory and FFN experts that are loaded when they are needed: one file a precision, in which an expert
 * is one piece. The folder appears whole or not at all. Throws a `CheckpointError` (`dense`, `exists`, `not-finite`,
 * `out-of-range`); a `BamError` (`no-space`, `read-only`).
 */
export function writeExpertFolder(options: ExpertFolderOptions): WrittenExperts {
  const to = resolve(options.to);
  checkMixture(options.architecture, options.source.stage);
  return writeNewFolder(to, (folder) => {
    const residentBytes = writeFlushed(join(folder, RESIDENT_FILE), (handle) => putResident(handle, options));
    const { index, expertBytes } = writeExperts(folder, options);
    writeFileAtomic(join(folder, INDEX_FILE), `${JSON.stringify(index, undefined, 2)}\n`);
    return { folder: to, experts: index.experts.length, residentBytes, expertBytes };
  });
}

/** Throws a `CheckpointError` (`dense`) for a model whose FFNs are not several experts. */
function checkMixture({ mixture }: Architecture, name: string): void {
  if (mixture && mixture.experts > 1) return;
  throw new CheckpointError(`${name} should be a mixture of FFN experts, but is a dense model.`, {
    reason: 'dense',
    advice: 'Name a stage with `upcycle` or `split`, or one that goes on from such a stage.',
  });
}

function writeFlushed<T>(path: string, write: (handle: number) => T): T {
  const handle = openSync(path, 'w');
  try {
    const written = write(handle);
    fsyncSync(handle);
    return written;
  } finally {
    closeSync(handle);
  }
}

function putResident(handle: number, { architecture, parameters }: ExpertFolderOptions): number {
  const tensors = parameterSpecs(architecture)
    .filter((spec) => !isOfFfnExpert(spec))
    .map(({ name, shape }): [string, StoredTensor] => [name, { shape, values: parameters.get(name)! }]);
  putSafetensors(handle, tensors, { architecture: JSON.stringify(architecture) });
  return tensors.reduce((bytes, [, { values }]) => bytes + values.byteLength, 0);
}

function writeExperts(
  folder: string,
  { architecture, parameters, precisions, group, source }: ExpertFolderOptions,
): { index: ExpertIndex; expertBytes: WrittenExperts['expertBytes'] } {
  const places = expertPlaces(architecture);
  const experts: ExpertIndex['experts'] = places.map((place) => ({ ...place, regions: {} }));
  const files: ExpertIndex['files'] = {};
  const expertBytes: WrittenExperts['expertBytes'] = {};
  for (const precision of precisions) {
    const layout = expertLayout(architecture, precision, group);
    const name = `experts-${precision}.bin`;
    writeFlushed(join(folder, name), (handle) => {
      places.forEach(({ layer, expert }, i) => {
        const bytes = encodeExpert(layout, tensorsOf(layout, parameters, layer, expert), expertTitle(layer, expert));
        writeAll(handle, bytes);
        experts[i]!.regions[precision] = { offset: i * layout.bytes, bytes: layout.bytes, sha256: sha256(bytes) };
      });
    });
    files[precision] = { name, bytes: places.length * layout.bytes };
    expertBytes[precision] = layout.bytes;
  }
  const { matrices } = expertLayout(architecture, 'float32', group);
  return { index: { version: 1, source, group, matrices, files, experts }, expertBytes };
}

/** Where the FFN experts of a mixture stand, layer by layer; removed ones are left out. */
export function expertPlaces({ layers, mixture }: Architecture): { layer: number; expert: number }[] {
  return Array.from({ length: layers }, (_, layer) =>
    remainingExperts(mixture!, layer).map((expert) => ({ layer, expert })),
  ).flat();
}

function tensorsOf(
  { matrices, biases }: ExpertLayout,
  parameters: ReadonlyMap<string, Float32Array>,
  layer: number,
  expert: number,
): ExpertTensors {
  const weight = (projection: FfnProjection): string => ffnName(layer, projection, expert);
  return {
    weights: Object.fromEntries(
      matrices.map(({ projection }) => [projection, parameters.get(weight(projection))!] as const),
    ),
    biases: Object.fromEntries(
      biases.map(({ projection }) => [projection, parameters.get(biasName(weight(projection)))!] as const),
    ),
  };
}
