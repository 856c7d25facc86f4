import { RunError } from '../base/errors';
import { formatMeasure } from '../base/format';
import { letterOf } from '../base/run-letter';
import { formatSummary } from '../base/statistics';
import { textTable } from '../base/text-table';
import { compareRuns, type Comparison, type Difference } from '../report/compare';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRuns } from '../store/queries';
import { type Output, printJson } from './output';

/** `bam compare RUN RUN...`: what differs between runs in origin, file, data and budgets, and their results side by side. */
export async function compareCommand(names: string[], { json }: { json?: boolean }, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: comparison, problems } = await withIndex(workspace, async (index) => {
    const ids = await findRuns(index, names);
    if (ids.length < 2) throw tooFew(ids);
    return compareRuns(workspace, index, ids);
  });
  for (const problem of problems) output.note(`note: ${problem}`);
  if (json) printJson(output, comparison);
  else output.print(describe(comparison));
}

function tooFew(ids: readonly string[]): RunError {
  return new RunError(`Comparing needs at least two runs, but only ${ids.join(', ') || 'none'} came.`, {
    reason: 'too-few-runs',
    advice: 'Give ids, their beginnings, or `last`; `bam runs` lists the runs.',
  });
}

function describe({ runs, run, experiment, plan, stages, groups }: Comparison): string {
  const letters = runs.map((_, i) => letterOf(i));
  const section = (title: string, found: Difference[]): string => {
    if (!found.length) return `${title}: no difference.`;
    const rows = found.map(({ key, values }) => [key, ...values.map((value) => shorten(value ?? '-'))]);
    return `${title}:\n${textTable(['key', ...letters], rows)}`;
  };
  const rows = stages.map(({ stage, averages, differences }) => [
    stage,
    ...averages.map((average, i) => describeAverage(average, i ? differences[i]! : null)),
  ]);
  const overSeeds = groups.map(({ group, averages, differences }) => [
    group,
    ...averages.map((summary, i) => {
      if (!summary) return '-';
      const text = formatSummary(summary, formatMeasure);
      const difference = i ? differences[i]! : null;
      return difference === null ? text : `${text}, ${signed(difference)}`;
    }),
  ]);
  return [
    runs.map(({ id, state }, i) => `${letters[i]}  ${id} (${state})`).join('\n'),
    section('Runs', run),
    section('Experiment files', experiment),
    section('Plans', plan),
    `Average held-out perplexity, and the difference to ${letters[0]}:\n${textTable(['stage', ...letters], rows)}`,
    ...(overSeeds.length
      ? [`Over seeds, mean ± standard deviation (seeds):\n${textTable(['stage', ...letters], overSeeds)}`]
      : []),
  ].join('\n\n');
}

function describeAverage(average: number | null, difference: number | null): string {
  if (average === null) return '-';
  if (difference === null) return formatMeasure(average);
  return `${formatMeasure(average)} (${signed(difference)})`;
}

function signed(difference: number): string {
  return `${difference < 0 ? '' : '+'}${difference.toFixed(3)}`;
}

function shorten(text: string): string {
  return text.length <= 48 ? text : `${text.slice(0, 45)}...`;
}
