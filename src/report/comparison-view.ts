import type { ComparedCurve, ComparisonMessage } from '../messages/contract';
import { queryTimedEvaluations } from '../store/compared-curves';
import { trainedBy } from '../store/curves';
import type { Database } from '../store/database';
import type { Workspace } from '../store/layout';
import { compareRuns } from './compare';
import { collectRunView } from './run-view';

/** Runs side by side as their page gets them; the first is the baseline. Throws a `RunError` (reason `unknown-run`). */
export async function collectComparison(
  workspace: Workspace,
  index: Database,
  ids: readonly string[],
): Promise<ComparisonMessage> {
  const runs = await Promise.all(ids.map((id) => collectRunView(workspace, index, id)));
  const { run, experiment, plan } = await compareRuns(workspace, index, ids);
  const curves: ComparedCurve[] = [];
  for (const { id, stages } of runs) {
    for (const { name } of stages) {
      const evaluations = await queryTimedEvaluations(index, await trainedBy(index, id, name));
      if (evaluations.length) curves.push({ run: id, stage: name, evaluations });
    }
  }
  const differences = Object.entries({ run, experiment, plan }).flatMap(([from, some]) =>
    some.map((difference) => ({ from: from as 'run' | 'experiment' | 'plan', ...difference })),
  );
  return { type: 'comparison', root: workspace.root, runs, differences, curves };
}
