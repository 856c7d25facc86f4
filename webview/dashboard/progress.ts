import type { Run, Stage } from '../../src/messages/contract';

/** Whether a stage has its result. */
export function isDone({ state }: Stage): boolean {
  return state === 'finished' || state === 'cached';
}

/** The stages that are at work, else the first that is not done. */
export function currentStages({ stages }: Run): Stage[] {
  const working = stages.filter(({ state }) => state === 'running' || state === 'preparing');
  return working.length ? working : stages.filter((stage) => !isDone(stage)).slice(0, 1);
}

/** Steps done of all steps, where the plan tells them; a stage that counts no steps counts as one. */
export function partDone({ stages }: Run): number {
  const all = stages.reduce((sum, { steps }) => sum + (steps ?? 1), 0);
  const done = stages.reduce((sum, stage) => sum + (isDone(stage) ? (stage.steps ?? 1) : (stage.step ?? 0)), 0);
  return all ? Math.min(1, done / all) : 0;
}
