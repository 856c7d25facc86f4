import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { isAdapter } from '../architecture/adapters';
import type { Architecture } from '../architecture/architecture';
import { readArchitecture } from '../architecture/stored';
import { type ParameterSpec, parameterSpecs } from '../architecture/parameters';
import { CheckpointError, hasCode } from '../base/errors';
import { diskError, readJson, syncFolder } from '../base/files';
import {
  type FileDigest,
  putSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type StoredTensor,
} from './safetensors';

/** The parameters of a checkpoint, with architecture and provenance in its metadata. */
export const MODEL_FILE = 'model.safetensors';
const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'state.json';

/** How a checkpoint of adapters names that of their model: in the folder of another stage, wherever all stages lie. */
const BASE = /^(?:\.\.[\\/]){3}(?!\.\.?[\\/])[^\\/]+[\\/]checkpoints[\\/]step-\d{9,}$/;

/** Where training stands; with the tensors it is all that a resumed stage needs. */
const trainingStateSchema = z.object({
  step: z.int().min(0),
  /** Sequences drawn so far from each domain. */
  draws: z.record(z.string(), z.int().min(0)),
  /** The best average perplexity so far and its step; absent before the first evaluation. */
  best: z.object({ step: z.int(), averagePerplexity: z.number() }).optional(),
  /** Seconds trained so far, over all sessions. */
  seconds: z.number(),
});
export type TrainingState = z.output<typeof trainingStateSchema>;

const stateFileSchema = z.object({
  training: trainingStateSchema,
  files: z.record(z.string(), z.object({ bytes: z.int(), sha256: z.string() })),
});

const pruningSchema = z.looseObject({
  method: z.string(),
  layers: z.array(
    z.looseObject({
      removed: z.array(z.int()),
      /** Of every expert; `null` for one that was removed before. The largest stay. */
      scores: z.array(z.number().nullable()).optional(),
      /** Experts that became one, the first of each. */
      groups: z.array(z.array(z.int())).optional(),
      /** Of the experts that there were; what is no number is `null` in JSON. */
      similarity: z.array(z.array(z.custom<number>((value) => value === null || typeof value === 'number'))).optional(),
    }),
  ),
});
/** Which experts a pruning removed from each layer, and by what. */
export type PruningRecord = z.output<typeof pruningSchema>;

const provenanceSchema = z.looseObject({
  experiment: z.string(),
  stage: z.string(),
  key: z.string(),
  run: z.string(),
  tokenizer: z.string(),
  version: z.string(),
  /** Of a pruned mixture: why it has the experts that it has. */
  pruning: pruningSchema.optional(),
});
/** Where a checkpoint came from, kept in the metadata of its model file. */
export type Provenance = z.output<typeof provenanceSchema>;

/** What the metadata of a model file say of where it came from, as far as they do; `undefined` where they are damaged. */
function provenanceOf({ provenance }: Record<string, string>): Partial<Provenance> | undefined {
  try {
    return provenanceSchema.partial().safeParse(JSON.parse(provenance ?? '{}')).data;
  } catch {
    return undefined;
  }
}

export interface Checkpoint {
  architecture: Architecture;
  parameters: Map<string, Float32Array>;
  /** AdamW's two moments of every parameter that is trained; absent where only a model was asked for or saved. */
  moments?: { first: Map<string, Float32Array>; second: Map<string, Float32Array> };
  training: TrainingState;
  /** Of a pruned mixture, from its provenance. */
  pruning?: PruningRecord;
  /** Of a model with adapters: the checkpoint of the model that they adapt. Its tensors are not stored again. */
  base?: string;
}

/** Folder name of a checkpoint, so that names sort by step. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(9, '0')}`;
}

/** Steps of the checkpoints in a folder, oldest first. Does not say whether they are whole. */
export function listCheckpoints(folder: string): number[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .flatMap((name) => /^step-(\d{9,})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Writes a checkpoint into `folder`/step-N: everything goes into a folder beside it, is flushed, and then takes its name, so
 * that a checkpoint is whole or not there. Gives its path. When the call returns everything is written, and the caller may change what
 * it gave; what the promise waits for is the disk. One at a time in a folder. `assertOwner` throws if the checkpoint may not take its name.
 */
export async function saveCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  provenance: Provenance,
  assertOwner?: () => void,
): Promise<string> {
  const target = join(folder, checkpointName(checkpoint.training.step));
  const temporary = `${target}.${process.pid}.tmp`;
  const handles: number[] = [];
  const open = (name: string): number => {
    handles.push(openSync(join(temporary, name), 'w'));
    return handles.at(-1)!;
  };
  const close = (): void => handles.splice(0).forEach((handle) => closeSync(handle));
  try {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) if (name.endsWith('.tmp')) rmSync(join(folder, name), { recursive: true });
    mkdirSync(temporary);
    const files = putTensors(open, checkpoint, provenance, target);
    writeFileSync(open(STATE_FILE), JSON.stringify({ training: checkpoint.training, files }));
    await Promise.all(handles.map((handle) => promisify(fsync)(handle)));
    close();
    syncFolder(temporary);
    assertOwner?.();
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    syncFolder(folder);
  } catch (error) {
    close();
    rmSync(temporary, { recursive: true, force: true });
    throw diskError(error, target);
  }
  return target;
}

/** Writes the files of tensors of the checkpoint that will be `target`; `open` opens them by name. */
function putTensors(
  open: (name: string) => number,
  { architecture, parameters, moments, base }: Checkpoint,
  provenance: Provenance,
  target: string,
): Record<string, FileDigest> {
  const own = parameterSpecs(architecture).filter((spec) => base === undefined || isAdapter(spec));
  const stored = (values: Map<string, Float32Array>, prefix = ''): [string, StoredTensor][] =>
    own.flatMap(({ name, shape }) => {
      const found = values.get(name);
      return found ? [[prefix + name, { shape, values: found }]] : [];
    });
  const metadata = {
    architecture: JSON.stringify(architecture),
    provenance: JSON.stringify(provenance),
    ...(base !== undefined && { base: relative(target, base) }),
  };
  const files: Record<string, FileDigest> = {
    [MODEL_FILE]: putSafetensors(open(MODEL_FILE), stored(parameters), metadata),
  };
  if (moments) {
    const both = [...stored(moments.first, 'first.'), ...stored(moments.second, 'second.')];
    files[OPTIMIZER_FILE] = putSafetensors(open(OPTIMIZER_FILE), both, {});
  }
  return files;
}

function digest(path: string): FileDigest {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(1 << 22);
  const handle = openSync(path, 'r');
  try {
    for (let length = readSync(handle, chunk); length > 0; length = readSync(handle, chunk)) {
      hash.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(handle);
  }
  return { bytes: statSync(path).size, sha256: hash.digest('hex') };
}

/**
 * Reads a checkpoint and checks it: sizes and checksums of its files, and every tensor against the architecture.
 * Adapters are joined with the model that they adapt. Throws a `CheckpointError` (reason `missing`, `damaged`, `tensor-mismatch` or
 * `no-base`) that names the file or tensor.
 */
export function loadCheckpoint(path: string, parts: 'model' | 'everything', mayHaveBase = true): Checkpoint {
  const state = loadState(path);
  if (!state.files[MODEL_FILE]) throw damaged(path, `${STATE_FILE} does not list ${MODEL_FILE}`);
  for (const [name, expected] of Object.entries(state.files)) {
    if (parts === 'model' && name !== MODEL_FILE) continue;
    checkFile(join(path, name), expected);
  }
  const { tensors, metadata } = readSafetensors(join(path, MODEL_FILE));
  const architecture = readArchitecture(metadata.architecture);
  if ('problem' in architecture) throw damaged(path, `of ${MODEL_FILE} ${architecture.problem}`);
  const provenance = provenanceOf(metadata);
  if (!provenance) throw damaged(path, `${MODEL_FILE} does not say where it came from`);
  const { pruning } = provenance;
  if (metadata.base !== undefined && !BASE.test(metadata.base)) {
    throw damaged(path, `its model should be that of a stage beside it, found ${JSON.stringify(metadata.base)}`);
  }
  if (metadata.base !== undefined && !mayHaveBase)
    throw damaged(path, 'it should be a whole model, but holds adapters');
  const base = metadata.base === undefined ? undefined : resolve(path, metadata.base);
  const specs = parameterSpecs(architecture).filter((spec) => base === undefined || isAdapter(spec));
  const own = valuesOf(path, specs, tensors);
  const checkpoint: Checkpoint = {
    ...(pruning && { pruning }),
    architecture,
    parameters: base === undefined ? own : new Map([...loadBase(path, base), ...own]),
    training: state.training,
    ...(base !== undefined && { base }),
  };
  if (parts === 'everything' && state.files[OPTIMIZER_FILE]) {
    const moments = readSafetensors(join(path, OPTIMIZER_FILE)).tensors;
    // Parameters that are frozen have none.
    const trained = specs.filter(({ name }) => moments.has(`first.${name}`));
    checkpoint.moments = {
      first: valuesOf(path, trained, moments, 'first.'),
      second: valuesOf(path, trained, moments, 'second.'),
    };
  }
  return checkpoint;
}

/** Where a checkpoint came from, as far as it says. Throws a `CheckpointError` (`damaged`) where its model file cannot be read. */
export function readProvenance(path: string): Partial<Provenance> {
  return provenanceOf(readSafetensorsHeader(join(path, MODEL_FILE)).metadata) ?? {};
}

/** The parameters of the model that the adapters of a checkpoint adapt. Throws a `CheckpointError` (`no-base`) where it cannot be read. */
function loadBase(path: string, base: string): Map<string, Float32Array> {
  try {
    // Adapters of adapters are not made; a file that says so may lead in a circle.
    return loadCheckpoint(base, 'model', false).parameters;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(
      `The checkpoint ${path} holds adapters only, and the model that they adapt should be in ${base}: ${error.message}`,
      {
        reason: 'no-base',
        advice: 'Run the stage again that it was adapted from; then this one goes on.',
        cause: error,
      },
    );
  }
}

function damaged(path: string, problem: string): CheckpointError {
  return new CheckpointError(`The checkpoint ${path} is damaged: ${problem}.`, {
    reason: 'damaged',
    advice: 'Delete this folder; the stage then goes on from an earlier checkpoint, or starts again.',
  });
}

function loadState(path: string): z.output<typeof stateFileSchema> {
  let content: unknown;
  try {
    content = readJson(join(path, STATE_FILE));
  } catch {
    throw damaged(path, `${STATE_FILE} is not JSON`);
  }
  if (content === undefined) {
    if (existsSync(path)) throw damaged(path, `it has no ${STATE_FILE}`);
    throw new CheckpointError(`There is no checkpoint ${basename(path)} in ${dirname(path)}.`, { reason: 'missing' });
  }
  const parsed = stateFileSchema.safeParse(content);
  if (!parsed.success) throw damaged(path, `${STATE_FILE} lacks ${parsed.error.issues[0]!.path.join('.')}`);
  return parsed.data;
}

function checkFile(path: string, expected: FileDigest): void {
  let found: FileDigest;
  try {
    found = digest(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) throw damaged(dirname(path), `${basename(path)} is missing`);
    throw error;
  }
  if (found.bytes !== expected.bytes) {
    throw damaged(dirname(path), `${basename(path)} should have ${expected.bytes} bytes, found ${found.bytes}`);
  }
  if (found.sha256 !== expected.sha256)
    throw damaged(dirname(path), `the checksum of ${basename(path)} does not match`);
}

function valuesOf(
  path: string,
  specs: readonly ParameterSpec[],
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix = '',
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of specs) {
    const tensor = tensors.get(prefix + name);
    if (!tensor || String(tensor.shape) !== String(shape)) {
      const found = tensor ? `(${tensor.shape.join(', ')})` : 'nothing';
      throw new CheckpointError(`${path}: tensor ${prefix}${name} should be (${shape.join(', ')}), found ${found}.`, {
        reason: 'tensor-mismatch',
      });
    }
    values.set(name, tensor.values);
  }
  return values;
}

/**
 * The latest whole checkpoint of a stage, read in full. A damaged one is moved aside (its name gets `.damaged`), said in `problems`, and
 * the one before it is taken. `undefined` where none is left. Throws a `CheckpointError` (`no-base`) where it is whole, but the model is gone that its
 * adapters adapt.
 */
export function loadLatestCheckpoint(folder: string): { checkpoint: Checkpoint | undefined; problems: string[] } {
  const problems: string[] = [];
  for (const step of listCheckpoints(folder).reverse()) {
    const path = join(folder, checkpointName(step));
    try {
      return { checkpoint: loadCheckpoint(path, 'everything'), problems };
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.reason === 'no-base') throw error;
      const aside = `${path}.damaged`;
      rmSync(aside, { recursive: true, force: true });
      renameSync(path, aside);
      problems.push(`${error.message} It was moved to ${basename(aside)}, and the one before it is used.`);
    }
  }
  return { checkpoint: undefined, problems };
}

/** Deletes all but the latest `keep` checkpoints and the best one. */
export function pruneCheckpoints(folder: string, keep: number, bestStep: number | undefined): void {
  const steps = listCheckpoints(folder);
  for (const step of steps.slice(0, Math.max(0, steps.length - keep))) {
    if (step !== bestStep) rmSync(join(folder, checkpointName(step)), { recursive: true, force: true });
  }
}
