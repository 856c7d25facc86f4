import { formatDuration, formatMeasure, formatTime } from '../base/format';
import { printable, textTable } from '../base/text-table';
import { adapterLines } from '../plan/adapting';
import { namedExperts } from '../plan/expert-names';
import { describeSeeds } from '../plan/facts';
import { laterAsText, laterEvaluations, laterResults } from '../report/later-evaluations';
import { servingsAsText, stageServings } from '../report/serving-table';
import { resultsTable, tableAsText } from '../report/table';
import { tasksAsText } from '../report/task-table';
import { variantsAsText, variantTable } from '../report/variant-table';
import { queryLastRouting, type RoutingPoint } from '../store/curves';
import type { Database } from '../store/database';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { findRun, queryRun, type RunDetails, type StageSummary } from '../store/queries';
import { type Output, printJson } from './output';
import { ffnsPerTokenAsText, routersAsText } from './routers';

/** `bam show RUN`: one run, by its id, the beginning of it, or `last`. */
export async function showCommand(
  name: string,
  { baseline, json }: { baseline?: string; json?: boolean },
  output: Output,
): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value, problems } = await withIndex(workspace, async (index) => {
    const found = await queryRun(workspace, index, await findRun(index, name));
    return { run: found, routing: await lastRouting(index, found) };
  });
  const { run, routing } = value;
  // What cannot be read of this run's own log stands among its notes.
  for (const problem of problems) if (!run.problems.includes(problem)) output.note(`note: ${problem}`);
  const plan = readPlan(workspace, run.id);
  const experts = Object.fromEntries(
    Object.keys(routing).map((stage): [string, string[]] => [stage, namedExperts(plan, stage).experts]),
  );
  const results = resultsTable(run.stages, plan);
  const variants = variantTable(run.stages, plan, baseline);
  const evaluations = laterEvaluations(workspace, run.stages);
  const later = laterResults(evaluations, plan, baseline);
  const servings = stageServings(workspace, run.stages);
  const seeds = plan ? describeSeeds(plan.stages) : `seed ${run.seed ?? '?'}`;
  const folder = workspace.runFolder(run.id);
  if (json) printJson(output, { ...run, results, variants, routing, experts, evaluations, later, servings, folder });
  else
    output.print(
      [
        ...[describeRun(run, seeds), describeStages(run.stages), tableAsText(results), tasksAsText(results)],
        ...[
          routersAsText(routing, experts),
          ffnsPerTokenAsText(routing),
          variants && variantsAsText(variants),
          later && laterAsText(later),
          servingsAsText(servings),
        ],
        ...[plan && adapterLines(plan.stages).join('\n'), describeNotes(run), `Folder: ${folder}`],
      ]
        .filter(Boolean)
        .join('\n\n'),
    );
}

/** What the routers of every mixture did in its last evaluation, by stage and domain. */
async function lastRouting(index: Database, { id, stages }: RunDetails): Promise<Record<string, RoutingPoint[]>> {
  const routing: Record<string, RoutingPoint[]> = {};
  for (const { name } of stages) {
    const points = await queryLastRouting(index, id, name);
    if (points.length) routing[name] = points;
  }
  return routing;
}

function describeRun(run: RunDetails, seeds: string): string {
  const origin = [seeds, `commit ${run.commit ?? '-'}`, `BAM Studio ${run.version ?? '?'}`];
  const took = run.seconds === null ? '' : ` in ${formatDuration(run.seconds)}`;
  const lines = [
    `${run.id}: ${run.state}${took}, ${run.stagesDone} of ${run.stagesTotal} stages done`,
    `${run.experiment}, ${run.file ?? 'file not known'}, ${origin.join(', ')}`,
    ...(run.started === null ? [] : [`started ${formatTime(run.started)}`]),
    ...(run.message === null ? [] : [run.message]),
  ];
  return lines.map(printable).join('\n');
}

function describeStages(stages: readonly StageSummary[]): string {
  const rows = stages.map(({ name, state, step, steps, seconds, secondsLeft, result, fromRun, detail }) => [
    name,
    state,
    step === null ? '-' : `${step}${steps === null ? '' : ` of ${steps}`}`,
    seconds !== null ? formatDuration(seconds) : secondsLeft !== null ? `${formatDuration(secondsLeft)} left` : '-',
    result === null ? '-' : formatMeasure(result.average),
    fromRun === null ? (detail ?? '') : `from ${fromRun}`,
  ]);
  const header = ['stage', 'state', 'step', 'time', 'average', 'remark'];
  const columns = rows.some((row) => row[5]) ? 6 : 5;
  return textTable(
    header.slice(0, columns),
    rows.map((row) => row.slice(0, columns)),
  );
}

function describeNotes({ notes, problems }: RunDetails): string {
  const lines = [
    ...notes.map(({ level, stage, message }) => `${level}: ${stage === null ? '' : `${stage}: `}${message}`),
    ...problems.map((problem) => `warning: the log could not be read in full: ${problem}`),
  ];
  return lines.map(printable).join('\n');
}
