import type { TrainPlan } from '../plan/plan';

/**
 * Learning rate of a step (from 0): linear warm-up from peak / (warm-up steps) to the peak, then a cosine down to
 * `finalLearningRate` x peak, which the last step reaches.
 */
export function learningRate(
  step: number,
  plan: Pick<TrainPlan, 'steps' | 'warmup' | 'peakLearningRate' | 'finalLearningRate'>,
): number {
  const { steps, peakLearningRate: peak, finalLearningRate } = plan;
  const warmupSteps = Math.round(plan.warmup * steps);
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  const progress = (step - warmupSteps) / Math.max(1, steps - 1 - warmupSteps);
  const cosine = (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2;
  return peak * (finalLearningRate + (1 - finalLearningRate) * cosine);
}
