import { readVariantName } from '../base/variant-name';
import type { Database } from './database';
import { LaterAverages } from './later-averages';
import type { Workspace } from './layout';
import { queryRuns, type RunSummary } from './queries';

/** A stage of a run in the run table, with its last evaluation; numbers are `null` before the first. */
export interface TableStage {
  name: string;
  /** The name without the seed; what stages that differ in their seed only are called together. */
  group: string;
  /** `null` for a stage that has not begun. */
  key: string | null;
  state: string;
  average: number | null;
  /** The average when it was last evaluated after its training. */
  later: number | null;
  /** Training tokens and FLOPs of this stage until then. */
  tokens: number | null;
  flops: number | null;
  /** Held-out perplexity by domain, in the order of the experiment file. */
  perplexity: Record<string, number>;
}

/** A run in the run table. */
export interface TableRun extends RunSummary {
  /** One, or those of its variants. */
  seeds: number[];
  /** In the order of the plan. */
  stages: TableStage[];
}

/** SQLite writes the stages of a run as JSON: one row a run is handed over several times faster than one a stage. */
const STAGES = `
  select run, json_group_array(json_object('name', name, 'key', key, 'state', state, 'average', average, 'tokens', trained,
    'flops', flops, 'perplexity', json(coalesce(perplexity, '{}')))) as stages
  from (select * from stages order by run, position) group by run`;

/** All runs with the results of all their stages, newest first. `later` remembers from call to call. */
export async function queryRunTable(
  workspace: Workspace,
  index: Database,
  later = new LaterAverages(workspace),
): Promise<TableRun[]> {
  const runs = await queryRuns(workspace, index);
  const rows = await index.all<{ run: string; stages: string }>(STAGES);
  const stages = new Map(rows.map((row) => [row.run, row.stages]));
  const averages = later.read();
  return runs.map((run) => tableRun(run, JSON.parse(stages.get(run.id) ?? '[]') as StoredStage[], averages));
}

/** A stage as the index has it. */
type StoredStage = Omit<TableStage, 'group' | 'later'>;

function tableRun(run: RunSummary, stages: readonly StoredStage[], averages: ReadonlyMap<string, number>): TableRun {
  const laterOf = ({ key }: StoredStage): number | null => (key === null ? null : (averages.get(key) ?? null));
  const names = stages.map(({ name }) => readVariantName(name));
  const seeds = run.seed === null ? [...new Set(names.flatMap(({ seed }) => seed ?? []))] : [run.seed];
  return {
    ...run,
    seeds,
    stages: stages.map((stage, i) => ({ ...stage, group: names[i]!.group, later: laterOf(stage) })),
  };
}
