import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../base/errors';
import { readSafetensorsHeader, type SafetensorsHeader } from '../checkpoint/safetensors';
import { readJsonObject } from './model-config';

export const CONFIG_FILE = 'config.json';
const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/** Where a tensor lies. */
export interface FolderTensor {
  file: string;
  header: SafetensorsHeader;
  dtype: string;
  shape: number[];
}

/** A checkpoint of the transformers library: what its files hold, without the values. */
export interface ModelFolder {
  path: string;
  /** Absolute paths of all files that decide what the model computes. */
  files: string[];
  tensors: Map<string, FolderTensor>;
}

/**
 * Reads the headers of all safetensors files of a folder, one or several with an index. Throws a `CheckpointError` that names the
 * file: `missing`, `missing-shard`, `damaged`.
 */
export function openModelFolder(path: string): ModelFolder {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new CheckpointError(`${path} should be a folder with config.json and *.safetensors, but is none.`, {
      reason: 'missing',
      advice: 'Paths are relative to the experiment file. Nothing is downloaded: put the model there first.',
    });
  }
  const shards = shardNames(path);
  const tensors = new Map<string, FolderTensor>();
  for (const name of new Set(shards.values())) {
    const file = join(path, name);
    const header = readHeader(file);
    for (const [tensor, { dtype, shape }] of header.tensors) tensors.set(tensor, { file, header, dtype, shape });
  }
  for (const [tensor, shard] of shards) {
    if (tensor !== '' && tensors.get(tensor)?.file !== join(path, shard)) {
      throw damaged(join(path, shard), `it should hold the tensor ${tensor}, as ${INDEX_FILE} says`);
    }
  }
  const index = existsSync(join(path, SINGLE_FILE)) ? [] : [INDEX_FILE];
  const names = [CONFIG_FILE, ...index, ...new Set(shards.values())];
  return { path, files: names.map((name) => join(path, name)), tensors };
}

/** The file of every tensor by name, from the index; the one file under an empty name where there is no index. */
function shardNames(path: string): Map<string, string> {
  if (existsSync(join(path, SINGLE_FILE))) return new Map([['', SINGLE_FILE]]);
  const indexFile = join(path, INDEX_FILE);
  if (!existsSync(indexFile)) {
    throw new CheckpointError(`${path} should hold ${SINGLE_FILE} or ${INDEX_FILE}, found neither.`, {
      reason: 'missing',
      advice: 'Weights in other formats, as pytorch_model.bin, are not read: save the model again as safetensors.',
    });
  }
  const map = readJsonObject(indexFile).weight_map;
  const entries = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  if (!entries.length) throw damaged(indexFile, 'it should have a weight_map that names the file of every tensor');
  for (const [tensor, shard] of entries) {
    if (typeof shard !== 'string' || !/^[\w-][\w.-]*\.safetensors$/.test(shard)) {
      throw damaged(indexFile, `the file of ${tensor} should be a name such as model-00001-of-00002.safetensors`);
    }
  }
  for (const shard of new Set(entries.map(([, name]) => name as string))) {
    if (existsSync(join(path, shard))) continue;
    throw new CheckpointError(`${path} should hold ${shard}, which ${INDEX_FILE} names, but does not.`, {
      reason: 'missing-shard',
      advice: 'A download was probably cut short: fetch this file again.',
    });
  }
  return new Map(entries as [string, string][]);
}

function readHeader(file: string): SafetensorsHeader {
  try {
    return readSafetensorsHeader(file);
  } catch (error) {
    throw error instanceof CheckpointError ? damaged(file, error.message.replace(/\.$/, ''), error) : error;
  }
}

function damaged(file: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file} cannot be imported: ${problem}.`, {
    reason: 'damaged',
    advice: 'Fetch or save this file again.',
    cause,
  });
}
