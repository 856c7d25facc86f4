import { createHash } from 'node:crypto';
import { basename, resolve } from 'node:path';
import type { Architecture } from '../architecture/architecture';
import { type BamError, CheckpointError } from '../base/errors';
import type { DistillConfig } from '../config/distill-schema';
import type { Experiment, ImportConfig } from '../config/schema';
import { neuronsMissing } from '../config/split';
import type { SplitConfig } from '../config/split-schema';
import { fileState } from '../data/corpus';
import type { FileHashes } from '../data/hashes';
import { type ImportableModel, inspectModel } from '../interop/import';
import type { PlannedImport } from './plan';

/** An imported checkpoint as the plan found it on disk. */
export interface FoundImport {
  planned: PlannedImport;
  architecture: Architecture;
  model: ImportableModel;
}

/**
 * Looks at the checkpoint that a stage imports: its configuration, the headers and the hashes of its files. Throws a
 * `CheckpointError` as `inspectModel` does.
 */
export async function findImport(
  config: ImportConfig,
  context: number,
  folder: string,
  hashes: FileHashes,
  signal?: AbortSignal,
): Promise<FoundImport> {
  const { huggingFace, parallelize } = config;
  const model = inspectModel(resolve(folder, huggingFace), { context, parallelize });
  const hasher = createHash('sha256').update(JSON.stringify({ parallelize }));
  for (const file of model.folder.files) {
    hasher.update(`\n${basename(file)} ${await hashes.of(fileState(file), signal)}`);
  }
  const planned = { huggingFace, parallelize, model: model.architectureName, fingerprint: hasher.digest('hex') };
  return { planned, architecture: model.architecture, model };
}

/** What a stage starts from, in words. */
export function describeImport({ huggingFace, parallelize, model }: PlannedImport): string {
  const changed = parallelize ? ', its blocks made parallel, which changes what it computes' : '';
  return `${huggingFace} (${model})${changed}`;
}

/** A mistake that shows only when the checkpoints are known, with its place in the file. */
interface ImportProblem {
  path: string[];
  error: BamError;
}

/**
 * Checks imported checkpoints against the rest of the experiment: embeddings with a row for every token, experts of one shape,
 * parallel blocks for BAM, neurons enough for splits, teachers and ensembles with one number of rows. `dense` is the model that starts from random parameters.
 */
export function checkImports(
  experiment: Experiment,
  imports: ReadonlyMap<string, FoundImport>,
  dense: Architecture | undefined,
  vocabulary: number,
): ImportProblem[] {
  const problems = [...imports].flatMap(([name, { architecture, planned }]) =>
    architecture.vocabulary >= vocabulary ? [] : [tooFewRows(name, planned, architecture, vocabulary)],
  );
  const shapeOf = (name: string): Architecture | undefined => {
    const { from, upcycle, split, import: imported } = experiment.stages[name]!;
    if (imported) return imports.get(name)?.architecture;
    const parent = from ?? upcycle?.experts?.[0];
    const shape = parent === undefined ? dense : shapeOf(parent);
    return shape && split ? { ...shape, ffnHidden: split.width } : shape;
  };
  for (const [name, { from, upcycle, split, ensemble }] of Object.entries(experiment.stages)) {
    if (split) problems.push(...tooFewNeurons(name, split, shapeOf(from!)));
    problems.push(...unlikeTeacher(name, distillOf(experiment, name), shapeOf));
    if (ensemble) problems.push(...unlikeMembers(name, ensemble.members, shapeOf));
    if (!upcycle) continue;
    const { experts = [], method } = upcycle;
    const shapes = experts.map(shapeOf);
    const [first] = shapes;
    if (!first) continue;
    shapes.forEach((shape, i) => {
      const difference = shape && differenceOf(first, shape);
      if (difference) problems.push(unlikeParents(name, experts, i, difference));
    });
    if (method === 'bam' && first.block === 'sequential') problems.push(sequentialParents(name));
  }
  return problems;
}

function tooFewRows(
  name: string,
  planned: PlannedImport,
  architecture: Architecture,
  vocabulary: number,
): ImportProblem {
  const found = `${planned.huggingFace} has ${architecture.vocabulary} rows of embeddings`;
  return {
    path: ['stages', name, 'import', 'huggingFace'],
    error: new CheckpointError(`${found}, the tokenizer has ${vocabulary} tokens.`, {
      reason: 'vocabulary',
      advice: 'Name the tokenizer of the checkpoint, its tokenizer.json, as `model.tokenizer`.',
    }),
  };
}

/** The first setting in which two models differ, in words. */
function differenceOf(first: Architecture, other: Architecture): string | undefined {
  const keys = new Set([...Object.keys(first), ...Object.keys(other)]) as Set<keyof Architecture>;
  for (const key of keys) {
    if (first[key] !== other[key])
      return `${key} ${String(first[key] ?? 'absent')} and ${String(other[key] ?? 'absent')}`;
  }
  return undefined;
}

function unlikeParents(name: string, experts: string[], i: number, difference: string): ImportProblem {
  return {
    path: ['stages', name, 'upcycle', 'experts', String(i)],
    error: new CheckpointError(`${experts[0]} and ${experts[i]} have different shapes: ${difference}.`, {
      reason: 'parent-mismatch',
      advice: 'All experts of a mixture must be copies of one model, trained on.',
    }),
  };
}

function tooFewNeurons(name: string, split: SplitConfig, dense: Architecture | undefined): ImportProblem[] {
  const expected = dense && neuronsMissing(split, dense.ffnHidden);
  if (!expected) return [];
  const error = new CheckpointError(`A split should have ${expected}.`, { reason: 'too-few-neurons' });
  return [{ path: ['stages', name, 'split', 'width'], error }];
}

/** How a stage learns from a teacher, which it may have from the stage that it is `like`. */
function distillOf({ stages }: Pick<Experiment, 'stages'>, name: string): DistillConfig | undefined {
  const { train } = stages[name]!;
  return train?.distill ?? (train?.like === undefined ? undefined : distillOf({ stages }, train.like));
}

/** A teacher must know the same tokens, and have the same states where they are compared. */
function unlikeTeacher(
  name: string,
  distill: DistillConfig | undefined,
  shapeOf: (stage: string) => Architecture | undefined,
): ImportProblem[] {
  const [own, other] = [shapeOf(name), distill && shapeOf(distill.teacher)];
  if (!distill || !own || !other) return [];
  const compared = { all: ['width', 'layers'], last: ['width'], none: [] } as const;
  const keys = ['vocabulary', ...compared[distill.layers]] as const;
  const different = keys.find((key) => own[key] !== other[key]);
  if (!different) return [];
  const found = `${name} has ${different} ${own[different]}, its teacher ${distill.teacher} has ${other[different]}`;
  const advice =
    different === 'vocabulary'
      ? 'A teacher must know the same tokens; `model.vocabulary` is the number of rows.'
      : 'With `layers: none` only predictions are compared.';
  const error = new CheckpointError(`${found}.`, { reason: 'teacher-mismatch', advice });
  return [{ path: ['stages', name, 'train', 'distill', 'teacher'], error }];
}

/** Members must give a probability to the same tokens; all have the context of the experiment. */
function unlikeMembers(
  name: string,
  members: string[],
  shapeOf: (stage: string) => Architecture | undefined,
): ImportProblem[] {
  const first = shapeOf(members[0]!)?.vocabulary;
  return members.flatMap((member, i) => {
    const rows = shapeOf(member)?.vocabulary;
    if (first === undefined || rows === undefined || rows === first) return [];
    const found = `${members[0]} has ${first} rows of embeddings, ${member} has ${rows}`;
    return {
      path: ['stages', name, 'ensemble', 'members', String(i)],
      error: new CheckpointError(`${found}.`, {
        reason: 'member-mismatch',
        advice: 'All members of an ensemble must know the same tokens; `model.vocabulary` is the number of rows.',
      }),
    };
  });
}

function sequentialParents(name: string): ImportProblem {
  return {
    path: ['stages', name, 'upcycle', 'method'],
    error: new CheckpointError('BAM needs parallel blocks, and the experts have sequential ones.', {
      reason: 'sequential',
      advice: 'Take `btx`, or write `parallelize: true` under `import`, which changes what the model computes.',
    }),
  };
}
