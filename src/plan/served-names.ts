import type { Plan } from './plan';
import { expertNames } from './upcycling';

/**
 * What the experts of a stage are called, in the order of their router's columns: of a mixture as its upcycling says, of what was made of a
 * mixture (trained on, pruned, adapted) as there. `undefined` where experts have no names.
 */
export function servedExpertNames({ stages }: Pick<Plan, 'stages'>, name: string): string[] | undefined {
  const stage = stages.find((one) => one.name === name);
  if (!stage || stage.split) return undefined;
  const names = stage.upcycle && expertNames(stage.upcycle);
  if (names) return names.length ? names : undefined;
  const [parent] = stage.parents;
  return parent && servedExpertNames({ stages }, parent.name);
}
