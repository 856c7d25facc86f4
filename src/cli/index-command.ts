import { rebuildIndex, withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { queryRuns } from '../store/queries';
import { type Output, printJson } from './output';

export interface IndexCommandOptions {
  rebuild?: boolean;
  json?: boolean;
}

/** `bam index`: brings the index up to date with the logs; with `--rebuild` makes it again from them. */
export async function indexCommand({ rebuild, json }: IndexCommandOptions, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const rebuilt = rebuild ? await rebuildIndex(workspace) : undefined;
  const { value: runs, problems } = await withIndex(workspace, (index) => queryRuns(workspace, index));
  const all = [...(rebuilt?.problems ?? []), ...problems];
  for (const problem of all) output.note(`note: ${problem}`);
  const what = rebuilt ? `was made again from ${rebuilt.events} events` : 'is up to date';
  if (json) printJson(output, { runs: runs.length, rebuilt: rebuilt !== undefined, problems: all });
  else output.print(`${workspace.indexFile} ${what}: ${runs.length} run${runs.length === 1 ? '' : 's'}.`);
}
