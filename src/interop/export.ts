import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Architecture } from '../architecture/architecture';
import { elementCount, parameterSpecs } from '../architecture/parameters';
import { CheckpointError } from '../base/errors';
import { writeFileAtomic, writeNewFolder } from '../base/files';
import { type StoredTensor, writeSafetensors } from '../checkpoint/safetensors';
import { defaultFormat, exportConfig, type ExportFormat, exportProblem } from './export-formats';
import { CONFIG_FILE } from './model-folder';
import { tensorPlaces } from './tensor-places';

/** A file to be copied. */
export interface ExportedFile {
  /** In the exported folder. */
  name: string;
  path: string;
}

/** A model to be written for the transformers library. */
export interface ExportOptions {
  architecture: Architecture;
  parameters: ReadonlyMap<string, Float32Array>;
  /** The folder to be made. It must not exist, or be empty. */
  to: string;
  /** Default: that of the family which has such models, else `bam`. */
  format?: ExportFormat | undefined;
  /** The token that closes a text. */
  endOfDocument: number;
  /** Files to copy into the folder, under other names perhaps: the tokenizer's. */
  files: readonly ExportedFile[];
}

/**
 * Writes a model as a folder that transformers loads: config.json, model.safetensors, and for `bam` the Python code of the model,
 * which is loaded with `trust_remote_code`. The folder appears whole or not at all. Returns its format. Throws a `CheckpointError`:
 * `exists`, or `inexpressible` where the format cannot say the model; a `BamError` (`no-space`, `read-only`).
 */
export function exportModel(options: ExportOptions): ExportFormat {
  const { architecture, parameters, endOfDocument, files } = options;
  const to = resolve(options.to);
  const format = options.format ?? defaultFormat(architecture);
  const problem = exportProblem(format, architecture);
  if (problem) {
    throw new CheckpointError(`The model cannot be exported as ${format}: ${problem}.`, {
      reason: 'inexpressible',
      advice: format === 'bam' ? 'Export a stage without that option.' : 'With `--format bam` it brings its own code.',
    });
  }
  writeNewFolder(to, (folder) => {
    const config = exportConfig(format, architecture, endOfDocument);
    writeFileAtomic(join(folder, CONFIG_FILE), config);
    const tensors =
      format === 'bam' ? ownTensors(architecture, parameters) : tensorsOf(format, architecture, parameters);
    writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
    for (const { name, path } of [...files, ...(format === 'bam' ? pythonFiles() : [])]) {
      writeFileAtomic(join(folder, name), readFileSync(path));
    }
  });
  return format;
}

function ownTensors(architecture: Architecture, parameters: ExportOptions['parameters']): [string, StoredTensor][] {
  return parameterSpecs(architecture).map(({ name, shape }) => [name, { shape, values: parameters.get(name)! }]);
}

/** The tensors of a family, with rows put back where `importParameters` took them from. */
function tensorsOf(
  family: Exclude<ExportFormat, 'bam'>,
  architecture: Architecture,
  parameters: ExportOptions['parameters'],
): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const { spec, theirs, shape, rows } of tensorPlaces(family, architecture)) {
    const values = parameters.get(spec.name)!;
    if (!rows) {
      tensors.set(theirs, { shape, values });
      continue;
    }
    const target = tensors.get(theirs) ?? { shape, values: new Float32Array(elementCount(shape)) };
    const width = values.length / rows.length;
    rows.forEach((row, i) => target.values.set(values.subarray(i * width, (i + 1) * width), row * width));
    tensors.set(theirs, target);
  }
  return tensors;
}

/** The code of a `bam` folder, kept in media/export of this package. */
function pythonFiles(): ExportedFile[] {
  let root = __dirname;
  while (!existsSync(join(root, 'package.json')) && root !== dirname(root)) root = dirname(root);
  return ['configuration_bam.py', 'modeling_bam.py'].map((name) => ({
    name,
    path: join(root, 'media', 'export', name),
  }));
}
