import { existsSync, readFileSync } from 'node:fs';
import { byStage } from '../base/variant-name';
import { type Summary, summarize } from '../base/statistics';
import { parseSource } from '../config/source';
import type { Plan } from '../plan/plan';
import type { Database } from '../store/database';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { queryRun, type RunDetails } from '../store/queries';
import { variantTable } from './variant-table';

/** A key that runs do not agree on; a value a run, `null` where it has none. */
export interface Difference {
  key: string;
  values: (string | null)[];
}

/** A stage's average perplexity in every run, and how much more that is than in the first. */
export interface StageComparison {
  stage: string;
  averages: (number | null)[];
  differences: (number | null)[];
}

/** A stage over its seeds in every run, and how much more its mean is than in the first. */
export interface GroupComparison {
  /** The stage with its swept values. */
  group: string;
  averages: (Summary | null)[];
  differences: (number | null)[];
}

/** What differs between runs in origin, file, data and budgets, and their results side by side. */
export interface Comparison {
  runs: { id: string; state: string }[];
  run: Difference[];
  experiment: Difference[];
  plan: Difference[];
  stages: StageComparison[];
  /** Empty where no run has variants. */
  groups: GroupComparison[];
}

/** Compares runs with the first of them. Throws a `RunError` (reason `unknown-run`). */
export async function compareRuns(workspace: Workspace, index: Database, ids: readonly string[]): Promise<Comparison> {
  const runs = await Promise.all(ids.map((id) => queryRun(workspace, index, id)));
  const plans = ids.map((id) => readPlan(workspace, id));
  return {
    runs: runs.map(({ id, state }) => ({ id, state })),
    run: differences(runs.map(runFacts)),
    experiment: differences(runs.map(({ id }) => experimentFacts(workspace, id))),
    plan: differences(plans.map(planFacts)),
    stages: compareStages(runs),
    groups: compareGroups(runs, plans),
  };
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
    return { stage, averages, differences: toFirst(averages) };
  });
}

function compareGroups(runs: readonly RunDetails[], plans: readonly (Plan | undefined)[]): GroupComparison[] {
  const tables = runs.map(({ stages }, i) => variantTable(stages, plans[i]));
  if (tables.every((table) => !table)) return [];
  const averages = runs.map(({ stages }, i) => {
    const rows = tables[i]?.rows.map(({ group, average }) => [group, average] as const);
    return new Map(rows ?? stages.map(({ name, result }) => [name, result && summarize([result.average])]));
  });
  const groups = [...new Set(averages.flatMap((some) => [...some.keys()]))];
  return byStage(groups, (group) => group).map((group) => {
    const found = averages.map((some) => some.get(group) ?? null);
    return { group, averages: found, differences: toFirst(found.map((summary) => summary?.mean ?? null)) };
  });
}

function toFirst(values: readonly (number | null)[]): (number | null)[] {
  const first = values[0] ?? null;
  return values.map((value) => (value === null || first === null ? null : value - first));
}
