import { meanFfnExpertsPerToken } from '../architecture/architecture';
import { zeroComputationCount } from '../architecture/zero-computation';
import { formatCount } from '../base/format';
import { describeAdapters, shareTrained } from './adapting';
import type { PlannedStage } from './plan';
import { describeSplit } from './splitting';

/**
 * One line on what makes a stage's model lighter or trains little of it, for the line above it in the file; `undefined` where neither does.
 * Counts are those of the plan.
 */
export function stageNote(stage: PlannedStage): string | undefined {
  const { architecture, parameters, upcycle, split, prune, train, ensemble } = stage;
  const { adapters, mixture } = architecture;
  if (ensemble) return undefined;
  if (split) return describeSplit(split);
  if (prune) {
    const where = prune.scope === 'global' ? 'a layer on average' : 'a layer';
    return `${prune.keep} of ${mixture!.experts} FFN experts ${where} stay`;
  }
  if (upcycle?.zeroComputation) {
    const counts = `${mixture!.experts} FFN + ${zeroComputationCount(upcycle.zeroComputation)} zero-computation experts`;
    return `${counts}, ${plannedFfns(stage)}`;
  }
  if (!adapters || !train) return undefined;
  const share = `${shareTrained(architecture)} of ${formatCount(parameters.total)} parameters train`;
  return `${describeAdapters(adapters)}: ${share}, the base stays`;
}

/** FFN experts that compute a token of a mixture, as planned: `1.2 FFN experts a token planned`. */
function plannedFfns({ architecture: { mixture } }: PlannedStage): string {
  return `${Number(meanFfnExpertsPerToken(mixture!, 0).toFixed(2))} FFN experts a token planned`;
}
