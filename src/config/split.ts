import { excludedBeside } from './beside';
import type { Diagnostic } from './diagnostics';
import { type Group, group, isCount, isGroup } from './groups';
import type { DataPath, Source } from './source';

/** Checks that a stage with `split` has a dense stage to split, and neurons enough. `file` is the whole file. */
export function checkSplit(source: Source, name: string, file: Group): Diagnostic[] {
  const stages = group(file.stages);
  const stage = group(stages[name]);
  if (!isGroup(stage.split)) return [];
  const path = ['stages', name];
  const mistakes = excludedBeside(source, path, stage, 'split', ['upcycle', 'import', 'ensemble']);
  if (stage.from === undefined) mistakes.push(source.atKey([...path, 'split'], '`from` beside `split`, a dense stage'));
  return [...mistakes, ...checkSizes(source, [...path, 'split'], stage.split, neuronsOf(file, stage.from))];
}

function checkSizes(source: Source, path: DataPath, split: Group, neurons: number | undefined): Diagnostic[] {
  const { experts, width, shared, routing } = split;
  const mistakes: Diagnostic[] = [];
  if (experts === 1 && routing !== undefined) {
    mistakes.push(source.atKey([...path, 'routing'], 'no `routing` with one expert'));
  }
  if (!isCount(width) || !Number.isInteger(shared)) return mistakes;
  if (Number(shared) > width) mistakes.push(source.at([...path, 'shared'], `at most the width ${width}`));
  else if (isCount(experts) && neurons !== undefined) {
    const problem = neuronsMissing({ experts, width, shared: Number(shared) }, neurons);
    if (problem) mistakes.push(source.at([...path, 'width'], problem));
  }
  return mistakes;
}

/** What is expected of a split where the dense FFN has too few neurons for it; `undefined` where it has enough. */
export function neuronsMissing(
  { experts, width, shared }: { experts: number; width: number; shared: number },
  neurons: number,
): string | undefined {
  const needed = shared + experts * (width - shared);
  if (needed <= neurons) return undefined;
  return `experts that need at most the ${neurons} hidden neurons of the dense stage (shared + experts x (width - shared) is ${needed})`;
}

/** Hidden neurons of a stage's FFNs, as far as the file says it: imported checkpoints do not. */
function neuronsOf(file: Group, name: unknown, seen: readonly unknown[] = []): number | undefined {
  const stages = group(file.stages);
  if (typeof name !== 'string' || !Object.hasOwn(stages, name) || seen.includes(name)) return undefined;
  const stage = group(stages[name]);
  if (isGroup(stage.split)) return isCount(stage.split.width) ? stage.split.width : undefined;
  if (stage.from !== undefined) return neuronsOf(file, stage.from, [...seen, name]);
  const { ffnHidden } = group(file.model);
  return stage.import === undefined && stage.upcycle === undefined && isCount(ffnHidden) ? ffnHidden : undefined;
}

/** Whether a split makes a mixture: with one expert the model stays dense. */
export function splitsIntoExperts(stage: Group): boolean {
  return isGroup(stage.split) && stage.split.experts !== 1;
}
