import { readJson } from '../base/files';
import type { Plan } from '../plan/plan';
import type { Workspace } from './layout';

/** The plan of a run; `undefined` where it is gone or damaged, which must not hide what the log knows. */
export function readPlan(workspace: Workspace, run: string): Plan | undefined {
  try {
    const plan = readJson(workspace.planFile(run)) as Plan | undefined;
    if (!Array.isArray(plan?.stages) || !Array.isArray(plan.domains)) return undefined;
    // Plans of older versions have one seed for all stages.
    return { ...plan, stages: plan.stages.map((stage) => ({ ...stage, seed: stage.seed ?? plan.seed })) };
  } catch {
    return undefined;
  }
}
