import { exportRun, type ExportKind } from '../report/export';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun } from '../store/queries';
import type { Output } from './output';

/** `bam export RUN`: numbers of a run, in full, on standard output. */
export async function exportCommand(name: string, { what }: { what: ExportKind }, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value, problems } = await withIndex(workspace, async (index) =>
    exportRun(workspace, index, await findRun(index, name), what),
  );
  for (const problem of problems) output.note(`note: ${problem}`);
  output.print(value.trimEnd());
}
