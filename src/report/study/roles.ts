import { meanOf } from '../../base/statistics';
import { readVariantName } from '../../base/variant-name';
import { valueAt } from '../../config/source';
import type { UpcycleConfig } from '../../config/upcycle-schema';
import type { Plan, PlannedStage } from '../../plan/plan';

/** What a stage is in a study, in the order of the tables. */
export const ROLES = ['seed', 'specialist', 'dense', 'ensemble', 'mixture', 'adapted'] as const;

export interface Role {
  role: (typeof ROLES)[number];
  /** How the mixture was upcycled, or that it was split out of a dense stage; `null` for a dense stage. */
  method: UpcycleConfig['method'] | 'split' | null;
  /** Where attention has experts too, what they have of their own. */
  attention: 'kv-experts' | 'shared-kv' | null;
  /** Of a pruned mixture how many FFN experts a layer has left, on average, in words: `4 of 8`. */
  left?: string;
}

/** Against which stage a stage's budget was matched. */
export interface Match {
  budget: 'data' | 'compute';
  stage: string;
  /** Whether what the parents of both stages took counts too. */
  countsParents: boolean;
}

/**
 * What a stage is, told from the graph: without parents and upcycling a seed model; dense and trained from another one a specialist if
 * some stage starts from it (an ensemble does not), else continued dense training; upcycled or split, or going on from such a stage, a mixture;
 * with adapters, on whatever model, adapted.
 */
export function roleOf(planned: PlannedStage, { stages }: Pick<Plan, 'stages'>): Role {
  const kind = planned.architecture.mixture?.attention;
  const attention = kind && kind !== 'averaged' ? kind : null;
  if (planned.upcycle) return { role: 'mixture', method: planned.upcycle.method, attention };
  if (planned.split && planned.architecture.mixture) return { role: 'mixture', method: 'split', attention };
  if (planned.ensemble) return { role: 'ensemble', method: null, attention };
  if (planned.architecture.adapters) return { role: 'adapted', method: null, attention };
  const parent = stages.find(({ name }) => name === planned.parents[0]?.name);
  if (!parent) return { role: 'seed', method: null, attention };
  const { mixture } = planned.architecture;
  if (mixture) return { ...roleOf(parent, { stages }), ...(mixture.pruned && { left: expertsLeft(mixture) }) };
  const isParent = stages.some(
    ({ parents, ensemble }) => !ensemble && parents.some(({ name }) => name === planned.name),
  );
  return { role: isParent ? 'specialist' : 'dense', method: null, attention };
}

function expertsLeft({ experts, pruned }: NonNullable<PlannedStage['architecture']['mixture']>): string {
  const gone = pruned!.experts.map(({ length }) => length);
  return `${experts - meanOf(gone)} of ${experts}`;
}

/** How an experiment file, as data, has a stage matched by `train.match`, a swept value first; `null` where it has not. */
export function matchOf({ name, variant }: Pick<PlannedStage, 'name' | 'variant'>, file: unknown): Match | null {
  const setting = (key: string): unknown => {
    const path = ['stages', readVariantName(name).stage, 'train', key];
    return variant?.values[path.join('.')] ?? valueAt(file, path);
  };
  const [budget, stage] = [setting('match'), setting('like')];
  if ((budget !== 'data' && budget !== 'compute') || typeof stage !== 'string') return null;
  return { budget, stage, countsParents: setting('countParents') === true };
}
