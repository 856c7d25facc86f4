import { existsSync, readFileSync } from 'node:fs';
import { RunError } from '../base/errors';
import { formatMeasure } from '../base/format';
import { textTable } from '../base/text-table';
import { parseSource } from '../config/source';
import type { Plan } from '../plan/plan';
import { readPlan } from '../report/collect';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun, queryRun, type RunDetails } from '../store/queries';
import { type Output, printJson } from './output';

/** A key that runs do not agree on; a value a run, `null` where it has none. */
interface Difference {
  key: string;
  values: (string | null)[];
}

/** A stage's average perplexity in every run, and how much more that is than in the first. */
interface StageComparison {
  stage: string;
  averages: (number | null)[];
  differences: (number | null)[];
}

/** `bam compare RUN RUN...`: what differs between runs in origin, file, data and budgets, and their results side by side. */
export async function compareCommand(names: string[], { json }: { json?: boolean }, output: Output): Promise<void> {
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: runs, problems } = await withIndex(workspace, async (index) => {
    const ids = [...new Set(await Promise.all(names.map((name) => findRun(index, name))))];
    if (ids.length < 2) throw tooFew(ids);
    return Promise.all(ids.map((id) => queryRun(workspace, index, id)));
  });
  for (const problem of problems) output.note(`note: ${problem}`);
  const comparison = {
    runs: runs.map(({ id, state }) => ({ id, state })),
    run: differences(runs.map(runFacts)),
    experiment: differences(runs.map(({ id }) => experimentFacts(workspace, id))),
    plan: differences(runs.map(({ id }) => planFacts(readPlan(workspace, id)))),
    stages: compareStages(runs),
  };
  if (json) printJson(output, comparison);
  else output.print(describe(comparison));
}

function tooFew(ids: readonly string[]): RunError {
  return new RunError(`Comparing needs at least two runs, but only ${ids.join(', ') || 'none'} came.`, {
    reason: 'too-few-runs',
    advice: 'Give ids, their beginnings, or `last`; `bam runs` lists the runs.',
  });
}

type Facts = Map<string, string>;

/** A nested value as dotted keys, e.g. `stages.bam.upcycle.method`; lists count as one value. */
function flatten(value: unknown, prefix = '', into: Facts = new Map()): Facts {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, prefix ? `${prefix}.${key}` : key, into);
  } else if (value !== undefined) into.set(prefix, typeof value === 'string' ? value : JSON.stringify(value));
  return into;
}

function runFacts({ experiment, file, seed, commit, version, stages }: RunDetails): Facts {
  const engine = [...new Set(stages.flatMap((stage) => stage.engine ?? []))].join('; ') || undefined;
  return flatten({ experiment, file, seed, commit: commit ?? undefined, version, engine });
}

function experimentFacts(workspace: Workspace, run: string): Facts {
  const file = workspace.experimentFile(run);
  return existsSync(file) ? flatten(parseSource(readFileSync(file, 'utf8')).data) : new Map();
}

/** What the plan worked out from the file and the data. What only repeats the file, such as the architecture, is left out. */
function planFacts(plan: Plan | undefined): Facts {
  if (!plan) return new Map();
  const { tokenizer } = plan;
  const domains = plan.domains.map(({ name, fingerprint, files, bytes }) => [name, { fingerprint, files, bytes }]);
  const stages = plan.stages.map(({ name, parameters, train, evaluation }) => [
    name,
    { parameters, train, evaluation },
  ]);
  return flatten({ tokenizer, domains: Object.fromEntries(domains), stages: Object.fromEntries(stages) });
}

function differences(facts: readonly Facts[]): Difference[] {
  const keys = [...new Set(facts.flatMap((some) => [...some.keys()]))];
  return keys
    .map((key) => ({ key, values: facts.map((some) => some.get(key) ?? null) }))
    .filter(({ values }) => new Set(values).size > 1);
}

function compareStages(runs: readonly RunDetails[]): StageComparison[] {
  const names = [...new Set(runs.flatMap(({ stages }) => stages.map(({ name }) => name)))];
  return names.map((stage) => {
    const averages = runs.map(({ stages }) => stages.find(({ name }) => name === stage)?.result?.average ?? null);
    const first = averages[0] ?? null;
    const differences = averages.map((value) => (value === null || first === null ? null : value - first));
    return { stage, averages, differences };
  });
}

interface Comparison {
  runs: { id: string; state: string }[];
  run: Difference[];
  experiment: Difference[];
  plan: Difference[];
  stages: StageComparison[];
}

function describe({ runs, run, experiment, plan, stages }: Comparison): string {
  const letters = runs.map((_, i) => (i < 26 ? String.fromCharCode(65 + i) : String(i + 1)));
  const section = (title: string, found: Difference[]): string => {
    if (!found.length) return `${title}: no difference.`;
    const rows = found.map(({ key, values }) => [key, ...values.map((value) => shorten(value ?? '-'))]);
    return `${title}:\n${textTable(['key', ...letters], rows)}`;
  };
  const rows = stages.map(({ stage, averages, differences }) => [
    stage,
    ...averages.map((average, i) => describeAverage(average, i ? differences[i]! : null)),
  ]);
  return [
    runs.map(({ id, state }, i) => `${letters[i]}  ${id} (${state})`).join('\n'),
    section('Runs', run),
    section('Experiment files', experiment),
    section('Plans', plan),
    `Average held-out perplexity, and the difference to ${letters[0]}:\n${textTable(['stage', ...letters], rows)}`,
  ].join('\n\n');
}

function describeAverage(average: number | null, difference: number | null): string {
  if (average === null) return '-';
  if (difference === null) return formatMeasure(average);
  return `${formatMeasure(average)} (${difference < 0 ? '' : '+'}${difference.toFixed(3)})`;
}

function shorten(text: string): string {
  return text.length <= 48 ? text : `${text.slice(0, 45)}...`;
}
