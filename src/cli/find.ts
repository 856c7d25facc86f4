import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun } from '../store/queries';

/** The workspace of the current folder, and the run in it that a person means by an id, its beginning, or `last`. */
export async function findRunHere(name: string): Promise<{ workspace: Workspace; run: string }> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: run } = await withIndex(workspace, (index) => findRun(index, name));
  return { workspace, run };
}
