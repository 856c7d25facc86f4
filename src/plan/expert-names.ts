import type { ZeroComputation } from '../architecture/architecture';
import { zeroComputationCount } from '../architecture/zero-computation';
import type { UpcycleConfig } from '../config/upcycle-schema';
import type { Plan, PlannedStage } from './plan';
import { ZERO_COMPUTATION_KINDS } from './upcycling';

/** The experts of a stage's FFN and attention routers, in the order of the columns. */
export interface NamedExperts {
  /**
   * Those of the upcycling that made the mixture, in every stage that goes on from it, prunes it or adapts it. Parents give their names,
   * equal ones with a number (`seed`, `law`, `seed 2`); zero-computation experts are called by what they do (`constant 1`, `copy`). Empty
   * where experts have no names: random ones, those of a split, and where there are none. Views then say their numbers, from 0.
   */
  experts: string[];
  /** How many of the last columns of FFN routers are zero-computation experts. */
  zeroComputation: number;
}

/** The experts of a stage of a plan; none where the plan is gone. */
export function namedExperts(plan: Pick<Plan, 'stages'> | undefined, name: string): NamedExperts {
  const stage = plan?.stages.find((one) => one.name === name);
  const others = stage?.architecture.mixture?.zeroComputation;
  return {
    experts: stage ? expertNames(stage, plan!.stages) : [],
    zeroComputation: others ? zeroComputationCount(others) : 0,
  };
}

function expertNames(stage: PlannedStage, stages: readonly PlannedStage[]): string[] {
  const { upcycle, architecture, split, ensemble, parents } = stage;
  if (upcycle) return upcycledNames(upcycle);
  if (!architecture.mixture || split || ensemble) return [];
  const origin = stages.find(({ name }) => name === parents[0]?.name);
  return origin ? expertNames(origin, stages) : [];
}

function upcycledNames({ experts = [], copies = 1, zeroComputation }: UpcycleConfig): string[] {
  const others = zeroComputation ? zeroComputationNames(zeroComputation) : [];
  if (!experts.length && others.length) return [...Array.from({ length: copies }, (_, i) => String(i)), ...others];
  const seen = new Map<string, number>();
  const parents = experts
    .flatMap((parent) => Array.from({ length: copies }, () => parent))
    .map((parent) => {
      const count = (seen.get(parent) ?? 0) + 1;
      seen.set(parent, count);
      return count === 1 ? parent : `${parent} ${count}`;
    });
  return [...parents, ...others];
}

/** Names of zero-computation experts, in the order of the router's columns. */
export function zeroComputationNames(kinds: ZeroComputation): string[] {
  return ZERO_COMPUTATION_KINDS.flatMap((kind) =>
    Array.from({ length: kinds[kind] }, (_, i) => (kinds[kind] === 1 ? kind : `${kind} ${i + 1}`)),
  );
}
