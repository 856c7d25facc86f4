import type { StageContext, StageOutcome } from './stage-context';
import { evaluateModel, runStepless } from './stepless-stage';

/** Evaluates an ensemble: a stage without a step and without a checkpoint. */
export function runEnsemble(context: StageContext): Promise<StageOutcome> {
  return runStepless(context, () => evaluateModel(context));
}
