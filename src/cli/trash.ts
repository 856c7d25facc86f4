import { findWorkspaceRoot, Workspace } from '../store/layout';
import { deleteRun, restoreRun } from '../store/trash';
import { findRunHere } from './find';
import { type Output, printJson } from './output';

/** `bam delete RUN`: moves a run to the trash, for a week. */
export async function deleteCommand(name: string, { json }: { json?: boolean }, output: Output): Promise<void> {
  const { workspace, run } = await findRunHere(name);
  deleteRun(workspace, run);
  if (json) printJson(output, { run, deleted: true });
  else output.print(`Run ${run} was deleted. Within a week it can be brought back: bam restore ${run}`);
}

/** `bam restore RUN`: brings a deleted run back, by its whole id. */
export async function restoreCommand(run: string, { json }: { json?: boolean }, output: Output): Promise<void> {
  restoreRun(new Workspace(findWorkspaceRoot(process.cwd())), run);
  if (json) printJson(output, { run, deleted: false });
  else output.print(`Run ${run} is back.`);
}
