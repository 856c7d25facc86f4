import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, readSafetensorsHeader, type StoredTensor } from '../../src/checkpoint/safetensors';
import type { Draws } from '../../src/model/draws';
import type { Architecture } from '../../src/architecture/architecture';

const FOLDER = join(__dirname, '..', 'parity', 'stored');

/** One stored case of the PyTorch reference (test/parity/README.md). */
export interface ParityCase {
  name: string;
  architecture: Architecture;
  parameters: Map<string, Float32Array>;
  gradients: Map<string, Float32Array>;
  draws: Draws;
  inputs: Int32Array;
  targets: Int32Array;
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/** Stored files that hold no model case. */
const OTHERS = [
  'adamw.safetensors',
  'cka.json',
  'decoding.safetensors',
  'distillation.safetensors',
  'half.json',
  'statistics.json',
];

/** The stored model cases by name. */
export function parityCases(): ParityCase[] {
  return readdirSync(FOLDER)
    .filter((file) => !OTHERS.includes(file))
    .map((file) => readCase(file.replace('.safetensors', '')));
}

/** All tensors of a stored file, float32 and int32. */
export function readStored(name: string): { tensors: Map<string, StoredTensor>; metadata: Record<string, string> } {
  return readSafetensors(join(FOLDER, `${name}.safetensors`), (tensor) => tensor !== 'inputs' && tensor !== 'targets');
}

/** One stored case of a model. */
export function readCase(name: string): ParityCase {
  const { tensors, metadata } = readStored(name);
  const architecture = JSON.parse(metadata.architecture!) as Architecture;
  const below = (prefix: string): Map<string, Float32Array> =>
    new Map(
      [...tensors]
        .filter(([key]) => key.startsWith(prefix))
        .map(([key, { values }]) => [key.slice(prefix.length), values]),
    );
  return {
    name,
    architecture,
    parameters: below('parameters.'),
    gradients: below('gradients.'),
    draws: new Map(
      [...tensors]
        .filter(([key]) => key.startsWith('draws.'))
        .map(([key, value]) => [key.slice('draws.'.length), value]),
    ),
    inputs: readIds(name, 'inputs'),
    targets: readIds(name, 'targets'),
    tensors,
    metadata,
  };
}

/** An int32 tensor, which the program's own checkpoints never hold. */
function readIds(name: string, tensor: string): Int32Array {
  const path = join(FOLDER, `${name}.safetensors`);
  const { tensors, dataStart } = readSafetensorsHeader(path);
  const [start, end] = tensors.get(tensor)!.data_offsets;
  return new Int32Array(readFileSync(path).buffer.slice(dataStart + start, dataStart + end));
}
