import type { TrainConfig } from '../config/train-schema';
import type { PlannedStage } from './plan';

/** What a stage may train for. */
export interface Budget {
  tokens: number;
  /** Training FLOPs of other stages that the tokens stand for beside those of the stage in `like`; absent where none are counted. */
  parentFlops?: number;
}

/** Looks up a stage of the experiment, planned. */
export type StageNamed = (name: string) => PlannedStage;

/**
 * The budget of a stage that starts from `parents` and takes so many FLOPs to train on a token: given in tokens, in FLOPs, or as that of another stage (`like`, whether or not
 * `match` says so). Not yet in whole steps.
 */
export function budgetOf(
  config: TrainConfig,
  flopsPerToken: number,
  parents: readonly PlannedStage[],
  stageNamed: StageNamed,
): Budget {
  if (config.tokens !== undefined) return { tokens: config.tokens };
  if (config.flops !== undefined) return { tokens: config.flops / flopsPerToken };
  const other = stageNamed(config.like!);
  if (config.match !== 'compute') return { tokens: other.train!.tokens };
  if (!config.countParents) return { tokens: other.train!.flops / flopsPerToken };
  const parentFlops = flopsOfOthers(other, parents, stageNamed);
  return { tokens: (other.train!.flops + parentFlops) / flopsPerToken, parentFlops };
}

/** Training FLOPs of the stages that `other` comes from and `parents` neither are nor come from. Equal stages count once. */
function flopsOfOthers(other: PlannedStage, parents: readonly PlannedStage[], stageNamed: StageNamed): number {
  const own = withAncestors(parents, stageNamed);
  const theirs = withAncestors(
    other.parents.map(({ name }) => stageNamed(name)),
    stageNamed,
  );
  return [...theirs].reduce((sum, [key, { train }]) => sum + (own.has(key) ? 0 : (train?.flops ?? 0)), 0);
}

/** Stages and all that they come from, by key. */
function withAncestors(stages: readonly PlannedStage[], stageNamed: StageNamed): Map<string, PlannedStage> {
  const found = new Map<string, PlannedStage>();
  const visit = (stage: PlannedStage): void => {
    if (found.has(stage.key)) return;
    found.set(stage.key, stage);
    for (const { name } of stage.parents) visit(stageNamed(name));
  };
  stages.forEach(visit);
  return found;
}
