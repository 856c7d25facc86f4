import { formatMeasure, formatTime } from '../base/format';
import { textTable } from '../base/text-table';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { queryRuns, type RunSummary } from '../store/queries';
import { type Output, printJson } from './output';

/** `bam runs`: the runs of this workspace, newest first. */
export async function runsCommand({ json }: { json?: boolean }, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: runs, problems } = await withIndex(workspace, (index) => queryRuns(workspace, index));
  for (const problem of problems) output.note(`note: ${problem}`);
  if (json) printJson(output, runs);
  else output.print(runs.length ? describeRuns(runs) : `No runs yet in ${workspace.root}. \`bam run FILE\` makes one.`);
}

function describeRuns(runs: readonly RunSummary[]): string {
  const rows = runs.map(({ id, experiment, state, stagesDone, stagesTotal, bestAverage, started }) => [
    id,
    experiment,
    state,
    `${stagesDone} of ${stagesTotal}`,
    bestAverage === null ? '-' : formatMeasure(bestAverage),
    started === null ? '-' : formatTime(started),
  ]);
  return textTable(['run', 'experiment', 'state', 'stages done', 'best average', 'started'], rows);
}
