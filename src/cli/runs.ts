import { formatMeasure, formatTime } from '../base/format';
import { textTable } from '../base/text-table';
import { parseQuery } from '../report/run-table/query';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { queryRunTable, type TableRun } from '../store/run-table';
import { queryRuns, type RunSummary } from '../store/queries';
import { type Output, printJson } from './output';

export interface RunsCommandOptions {
  all?: boolean;
  /** A query of the run table (docs/run-table.md); it says itself whether archived runs are meant. */
  filter?: string;
  json?: boolean;
}

/** `bam runs`: the runs of this workspace, newest first; archived ones with `--all`. */
export async function runsCommand({ all, filter, json }: RunsCommandOptions, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value, problems } = await withIndex(workspace, (index) =>
    filter === undefined ? queryRuns(workspace, index) : queryRunTable(workspace, index),
  );
  for (const problem of problems) output.note(`note: ${problem}`);
  if (filter !== undefined) return printMatches(value as TableRun[], filter, json, output);
  const runs = all ? value : value.filter(({ archived }) => !archived);
  const hidden = value.length - runs.length;
  if (hidden) output.note(`${hidden} archived ${hidden === 1 ? 'run is' : 'runs are'} left out; --all shows them.`);
  if (json) printJson(output, runs);
  else if (runs.length) output.print(describeRuns(runs));
  else if (!hidden) output.print(`No runs yet in ${workspace.root}. \`bam run FILE\` makes one.`);
}

function printMatches(runs: TableRun[], filter: string, json: boolean | undefined, output: Output): void {
  const { matches, problem } = parseQuery(filter, runs);
  if (problem !== null) output.note(`note: ${problem}`);
  const found = runs.filter(matches);
  if (json) printJson(output, found);
  else output.print(found.length ? describeRuns(found) : `None of ${runs.length} runs matches ${filter}`);
}

function describeRuns(runs: readonly RunSummary[]): string {
  const rows = runs.map((run) => [
    run.id,
    run.experiment,
    run.state,
    `${run.stagesDone} of ${run.stagesTotal}`,
    run.bestAverage === null ? '-' : formatMeasure(run.bestAverage),
    run.started === null ? '-' : formatTime(run.started),
    describeMarks(run),
  ]);
  const header = ['run', 'experiment', 'state', 'stages done', 'best average', 'started', 'marks'];
  const columns = rows.some((row) => row.at(-1)) ? header.length : header.length - 1;
  return textTable(
    header.slice(0, columns),
    rows.map((row) => row.slice(0, columns)),
  );
}

/** E.g. `* Smaller experts [paper, seed 2] archived` */
function describeMarks({ starred, title, tags, archived }: RunSummary): string {
  const marks = [starred && '*', title, tags.length > 0 && `[${tags.join(', ')}]`, archived && 'archived'];
  return marks.filter(Boolean).join(' ');
}
