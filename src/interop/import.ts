import { join } from 'node:path';
import type { Architecture } from '../architecture/architecture';
import { elementCount } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { readTensor } from '../checkpoint/safetensors';
import { readModelConfig } from './model-config';
import { CONFIG_FILE, type FolderTensor, type ModelFolder, openModelFolder } from './model-folder';
import { type TensorPlace, tensorPlaces } from './tensor-places';

/** Types of numbers that are read, all as float32. */
const DTYPES = ['F32', 'F16', 'BF16'];
/** Tensors that some versions of transformers stored and that follow from the configuration. */
const DERIVED = /\.(rotary_emb\.inv_freq|attention\.(bias|masked_bias))$/;

/** How a stage takes over a checkpoint of the transformers library. */
export interface ImportOptions {
  /** Tokens in a sequence of the experiment. */
  context: number;
  /** Makes sequential blocks parallel: FFNs then read what attention reads, and the model computes something else. */
  parallelize: boolean;
}

/** A checkpoint whose configuration and tensor headers have been checked. */
export interface ImportableModel {
  architecture: Architecture;
  /** As its config.json names it, e.g. `LlamaForCausalLM`. */
  architectureName: string;
  folder: ModelFolder;
  places: TensorPlace[];
}

/**
 * Looks at a folder as `save_pretrained` writes it: reads config.json and the headers of the safetensors files, no values. Throws a
 * `CheckpointError` that names file and key: `missing`, `missing-shard`, `damaged`, `unknown-architecture`, `unsupported`,
 * `tensor-missing`, `tensor-mismatch`, `tensor-unknown`, `dtype`.
 */
export function inspectModel(path: string, { context, parallelize }: ImportOptions): ImportableModel {
  const config = join(path, CONFIG_FILE);
  const folder = openModelFolder(path);
  const { family, architectureName, architecture } = readModelConfig(config, context);
  if (parallelize && architecture.block !== 'sequential') {
    throw new CheckpointError(`${config}: ${architectureName} has parallel blocks already.`, {
      reason: 'parallel-already',
      advice: 'Leave `parallelize` out.',
    });
  }
  if (architecture.layers > folder.tensors.size) {
    throw missing(path, `${architecture.layers} blocks, as config.json says, with ${folder.tensors.size} tensors`);
  }
  const places = tensorPlaces(family, architecture);
  checkTensors(folder, places, architecture);
  const block = { ...architecture, block: 'parallel-two-norms' as const };
  return { architecture: parallelize ? block : architecture, architectureName, folder, places };
}

function checkTensors(folder: ModelFolder, places: readonly TensorPlace[], { tiedEmbeddings }: Architecture): void {
  for (const { theirs, shape } of places) {
    const found = folder.tensors.get(theirs);
    if (!found) throw missing(folder.path, `the tensor ${theirs} (${shape.join(', ')})`);
    const where = `${found.file}: tensor ${theirs}`;
    if (String(found.shape) !== String(shape)) {
      throw new CheckpointError(`${where} should be (${shape.join(', ')}), found (${found.shape.join(', ')}).`, {
        reason: 'tensor-mismatch',
        advice: 'config.json and the tensors are of different models.',
      });
    }
    if (!DTYPES.includes(found.dtype)) {
      throw new CheckpointError(`${where} should be of type ${DTYPES.join(', ')}, found ${found.dtype}.`, {
        reason: 'dtype',
        advice: 'Quantized models are not read: take the original.',
      });
    }
  }
  const known = new Set(places.map(({ theirs }) => theirs));
  const heads = tiedEmbeddings ? ['lm_head.weight', 'embed_out.weight'] : [];
  for (const [name, { file }] of folder.tensors) {
    if (known.has(name) || DERIVED.test(name) || heads.includes(name)) continue;
    throw new CheckpointError(`${file}: the tensor ${name} has no place in the model that config.json describes.`, {
      reason: 'tensor-unknown',
      advice: 'Leaving it out would change what the model computes. docs/interop.md says which models can be imported.',
    });
  }
}

function missing(path: string, what: string): CheckpointError {
  return new CheckpointError(`${path} should hold ${what}, but does not.`, {
    reason: 'tensor-missing',
    advice: 'config.json and the tensors are of different models, or a file is not whole.',
  });
}

/**
 * Reads the parameters of a model, tensor by tensor, as float32. Beside the result, no more than one tensor is held. Throws a
 * `CheckpointError` (`damaged`) that names a tensor whose numbers are not finite.
 */
export function importParameters({ folder, places }: ImportableModel): Map<string, Float32Array> {
  const found = new Map<string, Float32Array>();
  for (const name of new Set(places.map(({ theirs }) => theirs))) {
    const values = valuesOf(name, folder.tensors.get(name)!);
    for (const { spec, theirs, rows } of places) {
      if (theirs === name) found.set(spec.name, rows ? takeRows(values, rows, spec.shape) : values);
    }
  }
  return new Map(places.map(({ spec }) => [spec.name, found.get(spec.name)!]));
}

function valuesOf(name: string, { file, header }: FolderTensor): Float32Array {
  const values = readTensor(file, header, name);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong < 0) return values;
  throw new CheckpointError(`${file}: tensor ${name} should hold finite numbers, found ${values[wrong]} at ${wrong}.`, {
    reason: 'damaged',
    advice: 'Fetch or save this file again.',
  });
}

function takeRows(values: Float32Array, rows: Int32Array, shape: number[]): Float32Array {
  const width = elementCount(shape) / rows.length;
  const taken = new Float32Array(elementCount(shape));
  rows.forEach((row, i) => taken.set(values.subarray(row * width, (row + 1) * width), i * width));
  return taken;
}
