import { type NamedExperts, namedExperts } from '../plan/expert-names';
import type { Plan } from '../plan/plan';
import { queryCurves, queryRouting, type RoutingPoint, type StageCurves } from '../store/curves';
import type { Database } from '../store/database';
import type { Workspace } from '../store/layout';
import { readPlan } from '../store/plan';
import { queryRun, type RunDetails } from '../store/queries';
import { laterEvaluations, type LaterResults, laterResults } from './later-evaluations';
import { stageServings, type StageServing } from './serving-table';
import { resultsTable, type ResultsTable } from './table';
import { type VariantTable, variantTable } from './variant-table';

export interface StageReport extends NamedExperts {
  name: string;
  curves: StageCurves;
  /** Empty for a dense model. */
  routing: RoutingPoint[];
}

/** Everything that a report shows. */
export interface ReportData {
  run: RunDetails;
  /** `undefined` where the run's plan.json is gone or damaged. */
  plan: Plan | undefined;
  results: ResultsTable;
  /** Results over seeds; `undefined` for a run without variants. */
  variants: VariantTable | undefined;
  /** Of `bam evaluate`; `undefined` where no stage was evaluated after its training. */
  later: LaterResults | undefined;
  /** Of stages that serve others. */
  servings: StageServing[];
  stages: StageReport[];
}

/** Gathers a run's report from the index and its plan. Throws a `RunError` (reason `unknown-run`). */
export async function collectReport(workspace: Workspace, index: Database, id: string): Promise<ReportData> {
  const run = await queryRun(workspace, index, id);
  const plan = readPlan(workspace, id);
  const stages: StageReport[] = [];
  for (const { name } of run.stages) {
    const curves = await queryCurves(index, id, name);
    stages.push({ name, curves, routing: await queryRouting(index, id, name), ...namedExperts(plan, name) });
  }
  const later = laterResults(laterEvaluations(workspace, run.stages), plan);
  return {
    ...{ run, plan, later, stages },
    results: resultsTable(run.stages, plan),
    variants: variantTable(run.stages, plan),
    servings: stageServings(workspace, run.stages),
  };
}
