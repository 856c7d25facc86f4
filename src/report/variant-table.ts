import { RunError } from '../base/errors';
import { formatMeasure } from '../base/format';
import { formatSummary, summarize, type Summary } from '../base/statistics';
import { textTable } from '../base/text-table';
import { byStage, readVariantName } from '../base/variant-name';
import type { PlannedStage } from '../plan/plan';
import { shortPaths } from '../plan/variants';
import type { StageSummary } from '../store/queries';
import { bootstrapInterval, CONFIDENCE } from './bootstrap';
import { pooledLoss } from './table';
import { taskMeasures } from './task-table';

/** How much more the average perplexity is than the baseline's, seed by seed. */
export interface PairedDifference {
  mean: number;
  /** Seeds that both have a result for. */
  n: number;
  /** 95 % bootstrap interval of the mean; `null` for a single pair. */
  interval: { low: number; high: number } | null;
}

/** The stages that differ in their seed only. */
export interface VariantRow {
  /** E.g. `bam@loadBalance=0.01`. */
  group: string;
  /** The stage's name in the experiment file. */
  stage: string;
  /** The swept values that the stage depends on, as text, one for each path of the table; `null` for the others. */
  values: (string | null)[];
  /** Over the seeds with a final result; `null` without one. */
  perplexity: Record<string, Summary | null>;
  average: Summary | null;
  /** Mean loss over the held-out tokens of all domains together, in nats. */
  pooledLoss: Summary | null;
  /** Share of right answers by measure of a task, over the seeds that it was put to. */
  tasks: Record<string, Summary>;
  /** `null` for the baseline itself, and where no seed has both results. */
  difference: PairedDifference | null;
}

/** Results over seeds, a row for each stage with its swept values. */
export interface VariantTable {
  /** The swept keys, by the short names that stages have them by. */
  paths: string[];
  domains: string[];
  /** The group that others are compared with. */
  baseline: string;
  rows: VariantRow[];
}

/** What results over seeds need to know of a planned stage. */
type VariantStage = Pick<PlannedStage, 'name' | 'seed' | 'variant' | 'parents' | 'architecture' | 'ensemble' | 'serve'>;

/** A plan, or stages of several plans that are looked at as one. */
interface VariantPlan {
  stages: readonly VariantStage[];
}

/** Stages of one group, with what the plan says of the group. */
interface Group {
  name: string;
  stage: string;
  values: Record<string, unknown>;
  members: VariantStage[];
}

/**
 * Results over seeds; `undefined` for a run without variants. `baseline` names a stage of the file or a group. Left out, it is the first
 * group that no other stage starts from, a dense one before mixtures. A stage is compared with the variant of the baseline's stage that has
 * the same swept values, where there is one. Throws a `RunError` (`unknown-stage`) for a baseline that the run does not have.
 */
export function variantTable(
  stages: readonly Pick<StageSummary, 'name' | 'state' | 'result'>[],
  plan: VariantPlan | undefined,
  baseline?: string,
): VariantTable | undefined {
  if (!plan?.stages.some(({ variant }) => variant)) return undefined;
  const groups = groupsOf(plan);
  const chosen = chooseBaseline(groups, plan, baseline);
  const results = new Map(
    stages.filter(({ state }) => state === 'finished' || state === 'cached').map(({ name, result }) => [name, result]),
  );
  const domains = [...new Set([...results.values()].flatMap((result) => Object.keys(result?.domains ?? {})))];
  const paths = [...new Set(groups.flatMap(({ values }) => Object.keys(values)))];
  const short = shortPaths(paths);
  const over = ({ members }: Group, read: (result: Result) => number | undefined): Summary | null =>
    summarize(members.flatMap(({ name }) => (results.get(name) && read(results.get(name)!)) ?? []));
  const measures = taskMeasures([...results.values()].map((result) => result?.tasks ?? {}));
  const rows = groups.map((group) => ({
    group: group.name,
    stage: group.stage,
    values: paths.map((path) => (path in group.values ? describe(group.values[path]) : null)),
    perplexity: Object.fromEntries(
      domains.map((domain) => [domain, over(group, (result) => result.domains[domain]?.perplexity)]),
    ),
    average: over(group, ({ average }) => average),
    pooledLoss: over(group, (result) => pooledLoss(result.domains)),
    tasks: Object.fromEntries(
      measures.flatMap(({ title, read }) => {
        const found = over(group, ({ tasks }) => read(tasks)?.accuracy);
        return found ? [[title, found]] : [];
      }),
    ),
    difference: pairedDifference(group, counterpart(group, chosen, groups), results),
  }));
  return { paths: paths.map((path) => short[path]!), domains, baseline: chosen.name, rows };
}

type Result = NonNullable<StageSummary['result']>;

function describe(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The stages of a plan, those together that differ in their seed only; the groups of a stage of the file one after the other. */
function groupsOf({ stages }: VariantPlan): Group[] {
  const groups = new Map<string, Group>();
  for (const planned of stages) {
    const { stage, group: name } = readVariantName(planned.name);
    const values = planned.variant?.values ?? {};
    const group = groups.get(name) ?? { name, stage, values, members: [] };
    group.members.push(planned);
    groups.set(name, group);
  }
  return byStage([...groups.values()], ({ name }) => name);
}

function chooseBaseline(groups: readonly Group[], { stages }: VariantPlan, name: string | undefined): Group {
  const named = groups.find((group) => group.name === name) ?? groups.find(({ stage }) => stage === name);
  if (named) return named;
  if (name !== undefined) {
    throw new RunError(`There is no stage "${name}" to compare with in this run.`, {
      reason: 'unknown-stage',
      advice: `Name one of ${groups.map((group) => group.name).join(', ')}.`,
    });
  }
  // An ensemble starts from nothing, and trains nothing; neither does a stage that serves.
  const trained = stages.filter(({ ensemble, serve }) => !ensemble && !serve);
  const parents = new Set(trained.flatMap((stage) => stage.parents.map((parent) => parent.name)));
  const last = groups.filter(({ members }) => !members.some((member) => parents.has(member.name)));
  const isDense = ({ members: [first] }: Group): boolean => !first!.architecture.mixture && !first!.ensemble;
  return last.find(isDense) ?? last[0]!;
}

/** The group to compare with: of the baseline's stage, the one that agrees in every swept value that both depend on. */
function counterpart(group: Group, baseline: Group, groups: readonly Group[]): Group {
  if (group.stage === baseline.stage) return baseline;
  const agrees = ({ stage, values }: Group): boolean =>
    stage === baseline.stage &&
    Object.entries(values).every(
      ([path, value]) => !(path in group.values) || describe(value) === describe(group.values[path]),
    );
  return agrees(baseline) ? baseline : (groups.find(agrees) ?? baseline);
}

function pairedDifference(
  group: Group,
  baseline: Group,
  results: ReadonlyMap<string, StageSummary['result']>,
): PairedDifference | null {
  if (group === baseline) return null;
  const differences = group.members.flatMap(({ name, seed }) => {
    const partner = baseline.members.find((member) => member.seed === seed);
    const [own, other] = [results.get(name), partner && results.get(partner.name)];
    return own && other ? [own.average - other.average] : [];
  });
  const summary = summarize(differences);
  return summary && { mean: summary.mean, n: summary.n, interval: bootstrapInterval(differences) };
}

/** One number, or over seeds its mean, deviation and number. */
function show(summary: Summary | null | undefined, format = formatMeasure): string {
  return summary ? formatSummary(summary, format) : '-';
}

/** The table's header and cells as text. */
export function variantCells({ paths, domains, rows }: VariantTable): { header: string[]; rows: string[][] } {
  return {
    header: ['stage', ...paths, ...domains, 'average', 'pooled loss', 'difference'],
    rows: rows.map((row) => [
      ...headCells(row),
      ...domains.map((domain) => show(row.perplexity[domain])),
      show(row.average),
      show(row.pooledLoss),
      row.difference ? formatDifference(row.difference) : '-',
    ]),
  };
}

/** The tasks' header and cells as text; `undefined` where no stage that is done has answered any. */
export function variantTaskCells({ paths, rows }: VariantTable): { header: string[]; rows: string[][] } | undefined {
  const titles = [...new Set(rows.flatMap(({ tasks }) => Object.keys(tasks)))];
  if (!titles.length) return undefined;
  const percent = (share: number): string => (100 * share).toFixed(1);
  return {
    header: ['stage', ...paths, ...titles],
    rows: rows.map((row) => [...headCells(row), ...titles.map((title) => show(row.tasks[title], percent))]),
  };
}

function headCells({ stage, values }: VariantRow): string[] {
  return [stage, ...values.map((value) => value ?? '-')];
}

/** What the numbers of tasks are. */
export const VARIANT_TASK_CAPTION =
  'Over seeds: right answers of finished stages in per cent, mean ± standard deviation over seeds (number of seeds).';

/** E.g. `-0.120 [-0.150, -0.090] (3)`. */
export function formatDifference({ mean, n, interval }: PairedDifference): string {
  const signed = (value: number): string => `${value < 0 ? '-' : '+'}${formatMeasure(Math.abs(value))}`;
  const range = interval ? ` [${signed(interval.low)}, ${signed(interval.high)}]` : '';
  return `${signed(mean)}${range} (${n})`;
}

/** What the numbers of the table are. */
export function variantCaption(table: VariantTable): string {
  return [
    'Over seeds: held-out perplexity of finished stages, mean ± standard deviation (number of seeds).',
    averageText(table),
    `The difference is that of averages to ${table.baseline}, seed by seed, with the ${CONFIDENCE * 100} % bootstrap interval of its mean.`,
  ].join(' ');
}

/** Which columns the average holds, by name, and what the pooled loss is. */
export function averageText({ domains, rows }: Pick<VariantTable, 'domains' | 'rows'>): string {
  const isPartial = rows.some(({ average, perplexity }) => average && domains.some((domain) => !perplexity[domain]));
  return [
    `The average is the mean of the columns ${domains.join(', ') || '(none yet)'}.`,
    ...(isPartial
      ? ['Of a stage without a number in one of them it is the mean of the others: such averages cannot be compared.']
      : []),
    'The pooled loss is the mean loss of all their tokens, in nats.',
  ].join(' ');
}

/** For a terminal. */
export function variantsAsText(table: VariantTable): string {
  const { header, rows } = variantCells(table);
  const tasks = variantTaskCells(table);
  const parts = [[variantCaption(table), textTable(header, rows)].join('\n')];
  if (tasks) parts.push([VARIANT_TASK_CAPTION, textTable(tasks.header, tasks.rows)].join('\n'));
  return parts.join('\n\n');
}
