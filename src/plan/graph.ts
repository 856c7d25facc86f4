import type { Architecture } from '../architecture/architecture';
import { readVariantName } from '../base/variant-name';
import { countParameters, forwardFlops, trainingFlops } from '../architecture/counts';
import type { Experiment, StageConfig } from '../config/schema';
import { FREEZABLE, type TrainConfig, trainDefaults } from '../config/train-schema';
import { adaptedArchitecture } from './adapting';
import { type Budget, budgetOf, type StageNamed } from './budget';
import type { FoundImport } from './imports';
import { stageHashes } from './keys';
import { completePruning, prunedArchitecture } from './pruning';
import type { Plan, PlannedDomain, PlannedStage, TrainPlan } from './plan';
import { completeSplit, splitArchitecture } from './splitting';
import { completeUpcycling, plannedRouting } from './upcycling';

/** What planning needs to know of the world beside the experiment itself. */
export interface PlanInputs {
  /** The dense architecture; absent where no stage starts from random parameters. */
  dense?: Architecture | undefined;
  /** Imported checkpoints by stage. */
  imports?: ReadonlyMap<string, FoundImport>;
  folder: string;
  tokenizer: Plan['tokenizer'];
  domains: PlannedDomain[];
  /** For a variant: the experiment without its swept values. */
  unswept?: Experiment;
}

/**
 * Works out every stage of an experiment: its architecture, counts, budget and key, in an order in which they can run.
 * Pure arithmetic. The experiment has passed its checks, so every name exists and there is no cycle.
 */
export function planStages(experiment: Experiment, inputs: PlanInputs): PlannedStage[] {
  const planned = new Map<string, PlannedStage>();
  const visit = (name: string): PlannedStage => {
    const done = planned.get(name);
    if (done) return done;
    const stage = planStage(name, experiment, inputs, visit);
    planned.set(name, stage);
    return stage;
  };
  for (const name of Object.keys(experiment.stages)) visit(name);
  return [...planned.values()];
}

/** The stages that some stages need, themselves included, in the plan's order. A name of the file stands for all variants of that stage. */
export function withAncestors(plan: Plan, names: readonly string[]): PlannedStage[] {
  const wanted = new Set<string>(names);
  for (const stage of [...plan.stages].reverse()) {
    if (wanted.has(stage.name) || wanted.has(readVariantName(stage.name).stage)) {
      for (const { name } of [stage, ...neededBy(stage)]) wanted.add(name);
    }
  }
  return plan.stages.filter(({ name }) => wanted.has(name));
}

/** The stages whose results a stage needs: those that it starts from, and the one that it learns from. */
export function neededBy({ parents, teacher }: Pick<PlannedStage, 'parents' | 'teacher'>): PlannedStage['parents'] {
  return teacher ? [...parents, teacher] : parents;
}

function planStage(name: string, experiment: Experiment, inputs: PlanInputs, stageNamed: StageNamed): PlannedStage {
  const config = experiment.stages[name]!;
  const { ensemble, serve } = config;
  const upcycle = config.upcycle && completeUpcycling(config.upcycle);
  const parents = parentNames(config).map(stageNamed);
  const imported = inputs.imports?.get(name);
  // A checkpoint was looked at once for all variants, which may have contexts of their own.
  const own = imported && { ...imported.architecture, context: experiment.model.context };
  const split = config.split && completeSplit(config.split);
  const before = split
    ? splitArchitecture(split, parents[0]!.architecture, experiment.seed)
    : stageArchitecture(config, own ?? inputs.dense, parents);
  const prune = config.prune && completePruning(config.prune, before);
  const architecture = prune ? prunedArchitecture(before, prune) : before;
  const settings = settingsOf(name, experiment, architecture, inputs);
  const teacher = config.train && settings.distill && stageNamed(settings.distill.teacher);
  const flopsPerToken = trainingFlops(architecture) + (teacher ? teacher.flopsPerToken : 0);
  const budget = config.train && budgetOf(config.train, flopsPerToken, parents, stageNamed);
  const train = budget && planTraining(budget, settings, { architecture, flopsPerToken }, inputs);
  // These have no settings of their own, and are compared with their parents.
  const evaluation =
    ensemble || serve ? parents[0]!.evaluation : { every: settings.evaluateEvery, tokens: settings.evaluationTokens };
  const stage = {
    parents: parents.map(({ name: parent, key }) => ({ name: parent, key })),
    ...(imported && { import: imported.planned }),
    ...(split && { split }),
    ...(teacher && { teacher: { name: teacher.name, key: teacher.key } }),
    architecture,
    evaluation,
  };
  return {
    name,
    seed: experiment.seed,
    ...stageHashes(
      experiment.seed,
      { ...stage, upcycle, ensemble, split, prune, serve, train },
      { parents, teacher },
      inputs,
    ),
    ...stage,
    ...(upcycle && { upcycle }),
    ...(ensemble && { ensemble }),
    ...(serve && { serve }),
    ...(prune && { prune }),
    ...(train && { train }),
    ...(ensemble
      ? sumOf(parents)
      : { parameters: countParameters(architecture), flopsPerToken: forwardFlops(architecture).total }),
  };
}

/** The stages whose checkpoints a stage reads. */
function parentNames({ upcycle, ensemble, from, prune }: StageConfig): string[] {
  const since = prune?.method === 'router-norm' ? prune.since : undefined;
  return upcycle?.experts ?? ensemble?.members ?? [from, since].filter((name) => name !== undefined);
}

/** What all members of an ensemble have and compute together. */
function sumOf(members: readonly PlannedStage[]): Pick<PlannedStage, 'parameters' | 'flopsPerToken'> {
  const sum = (of: (member: PlannedStage) => number): number =>
    members.reduce((total, member) => total + of(member), 0);
  return {
    parameters: {
      total: sum(({ parameters }) => parameters.total),
      active: sum(({ parameters }) => parameters.active),
    },
    flopsPerToken: sum(({ flopsPerToken }) => flopsPerToken),
  };
}

/** `own` is that of an imported checkpoint, or of random parameters. */
function stageArchitecture(
  config: StageConfig,
  own: Architecture | undefined,
  parents: readonly PlannedStage[],
): Architecture {
  const dense = (parents[0]?.architecture ?? own)!;
  if (config.adapt) return adaptedArchitecture(dense, config.adapt);
  if (!config.upcycle) return dense;
  const { method, copies, attention, gate } = config.upcycle;
  const kind = method === 'bam' ? (attention ?? 'kv-experts') : 'averaged';
  const experts = copies ?? parents.length;
  return { ...dense, mixture: { experts, gate, attention: kind, ...plannedRouting(config.upcycle, experts) } };
}

type Settings = Omit<Required<TrainConfig>, 'like' | 'match' | 'countParents' | 'tokens' | 'flops' | 'distill'> &
  Pick<TrainConfig, 'distill'>;

/** Of a variant's dense stage, what only routers use is as without a sweep: `like` a swept mixture does not make variants of it. */
function settingsOf(
  name: string,
  experiment: Experiment,
  { mixture }: Architecture,
  { unswept }: PlanInputs,
): Settings {
  const settings = trainSettings(experiment.stages[name]!.train ?? {}, experiment);
  if (mixture || !unswept) return settings;
  const { loadBalance, routerZ } = trainSettings(unswept.stages[name]!.train ?? {}, unswept);
  return { ...settings, loadBalance, routerZ };
}

/** The settings as written, completed by those of the stage it is `like`, then by the defaults. Budgets are not among them. */
function trainSettings(train: TrainConfig, experiment: Experiment): Settings {
  const base = train.like ? trainSettings(experiment.stages[train.like]!.train!, experiment) : trainDefaults;
  const { like, match, countParents, tokens, flops, ...own } = train;
  return { ...base, ...own };
}

function planTraining(
  { parentFlops, ...wanted }: Budget,
  settings: Settings,
  { architecture, flopsPerToken }: { architecture: Architecture; flopsPerToken: number },
  inputs: PlanInputs,
): TrainPlan {
  const { evaluateEvery, evaluationTokens, mix, freeze, distill, ...rest } = settings;
  const frozen = FREEZABLE.filter((part) => freeze.includes(part) && !architecture.adapters);
  const tokensPerStep = settings.batch * architecture.context;
  const steps = Math.max(1, Math.round(wanted.tokens / tokensPerStep));
  const tokens = steps * tokensPerStep;
  const budget = { steps, tokens, flops: tokens * flopsPerToken, ...(parentFlops && { parentFlops }) };
  const { teacher, ...learning } = distill ?? {};
  return {
    ...rest,
    mix: shares(mix, inputs),
    ...budget,
    ...(frozen.length && { freeze: frozen }),
    // Routers that are frozen have nothing to learn from losses of their own.
    ...(architecture.adapters && { loadBalance: 0, routerZ: 0 }),
    ...(distill && { distill: learning as TrainPlan['distill'] & object }),
  };
}

/** Weights that sum to 1, none of them zero, in the order of the domains: a sampler's draws may depend on the order. */
function shares(mix: Settings['mix'], inputs: PlanInputs): Record<string, number> {
  const names = inputs.domains.map(({ name }) => name).filter((name) => mix === 'equal' || Object.hasOwn(mix, name));
  const weights = names.map((name): [string, number] => [name, mix === 'equal' ? 1 : mix[name]!]);
  const sum = weights.reduce((total, [, weight]) => total + weight, 0);
  return Object.fromEntries(weights.map(([name, weight]) => [name, weight / sum]));
}
