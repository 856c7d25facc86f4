import { resolve } from 'node:path';
import { writeFileAtomic } from '../base/files';
import { type StudyFormat, writeStudy } from '../report/study/formats';
import { collectStudy } from '../report/study/study';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRuns } from '../store/queries';
import type { Output } from './output';

/** `bam report RUN...`: one document on one or several runs, on standard output or in a file. */
export async function reportCommand(
  names: string[],
  { format, baseline, to }: { format: StudyFormat; baseline?: string; to?: string },
  output: Output,
): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: study, problems } = await withIndex(workspace, async (index) => {
    const ids = await findRuns(index, names);
    return collectStudy(workspace, index, ids, baseline);
  });
  for (const problem of problems) output.note(`note: ${problem}`);
  const text = writeStudy(study, format);
  if (to === undefined) return output.print(text.trimEnd());
  for (const line of study.missing) output.note(`note: ${line}`);
  writeFileAtomic(resolve(to), text);
  output.note(`Wrote ${resolve(to)}.`);
}
