import { createHash } from 'node:crypto';
import type { Architecture } from '../architecture/architecture';
import { countParameters, forwardFlops, trainingFlops } from '../architecture/counts';
import { type Experiment, type StageConfig, type TrainConfig, trainDefaults } from '../config/schema';
import type { EvaluationPlan, Plan, PlannedDomain, PlannedStage, TrainPlan } from './plan';

/** Raised when a change of the program changes what a stage computes, so that old results are not taken for new ones. */
const RESULT_VERSION = 1;

/** What planning needs to know of the world beside the experiment itself. */
export interface PlanInputs {
  /** The dense architecture. */
  dense: Architecture;
  folder: string;
  tokenizer: Plan['tokenizer'];
  domains: PlannedDomain[];
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

/** The stages that some stages need, themselves included, in the plan's order. */
export function withAncestors(plan: Plan, names: readonly string[]): PlannedStage[] {
  const wanted = new Set<string>(names);
  for (const stage of [...plan.stages].reverse()) {
    if (wanted.has(stage.name)) for (const parent of stage.parents) wanted.add(parent.name);
  }
  return plan.stages.filter(({ name }) => wanted.has(name));
}

function planStage(
  name: string,
  experiment: Experiment,
  inputs: PlanInputs,
  stageNamed: (name: string) => PlannedStage,
): PlannedStage {
  const config = experiment.stages[name]!;
  const { upcycle, ensemble } = config;
  const parentNames = upcycle?.experts ?? ensemble?.members ?? (config.from ? [config.from] : []);
  const parents = parentNames.map(stageNamed);
  const architecture = stageArchitecture(config, inputs.dense, parents);
  const settings = trainSettings(config.train ?? {}, experiment);
  const train = config.train && planTraining(config.train, settings, architecture, inputs, stageNamed);
  // An ensemble has no settings of its own, and is compared with its members.
  const evaluation = ensemble
    ? parents[0]!.evaluation
    : { every: settings.evaluateEvery, tokens: settings.evaluationTokens };
  const stage = { parents: parents.map(({ name: parent, key }) => ({ name: parent, key })), architecture, evaluation };
  return {
    name,
    key: stageKey(experiment.seed, { ...stage, upcycle, ensemble, train }, inputs),
    ...stage,
    ...(upcycle && { upcycle }),
    ...(ensemble && { ensemble }),
    ...(train && { train }),
    ...(ensemble
      ? sumOf(parents)
      : { parameters: countParameters(architecture), flopsPerToken: forwardFlops(architecture).total }),
  };
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

function stageArchitecture(config: StageConfig, dense: Architecture, parents: readonly PlannedStage[]): Architecture {
  if (!config.upcycle) return parents[0]?.architecture ?? dense;
  const { method, attention, ffnTopK, gate } = config.upcycle;
  const kind = method === 'btx' ? 'averaged' : (attention ?? 'kv-experts');
  return { ...dense, mixture: { experts: parents.length, ffnTopK, gate, attention: kind } };
}

type Settings = Omit<Required<TrainConfig>, 'like' | 'match' | 'tokens' | 'flops'>;

/** The settings as written, completed by those of the stage it is `like`, then by the defaults. Budgets are not among them. */
function trainSettings(train: TrainConfig, experiment: Experiment): Settings {
  const base = train.like ? trainSettings(experiment.stages[train.like]!.train!, experiment) : trainDefaults;
  const { like, match, tokens, flops, ...own } = train;
  return { ...base, ...own };
}

function planTraining(
  config: TrainConfig,
  settings: Settings,
  architecture: Architecture,
  inputs: PlanInputs,
  stageNamed: (name: string) => PlannedStage,
): TrainPlan {
  const { evaluateEvery, evaluationTokens, mix, ...rest } = settings;
  const tokensPerStep = settings.batch * architecture.context;
  const steps = Math.max(1, Math.round(budgetInTokens(config, architecture, stageNamed) / tokensPerStep));
  const tokens = steps * tokensPerStep;
  return { ...rest, mix: shares(mix, inputs), steps, tokens, flops: tokens * trainingFlops(architecture) };
}

/** The tokens of a budget: given as such, as FLOPs, or as those of another stage (`like`, whether or not `match` says so). */
function budgetInTokens(
  config: TrainConfig,
  architecture: Architecture,
  stageNamed: (name: string) => PlannedStage,
): number {
  if (config.tokens !== undefined) return config.tokens;
  if (config.flops !== undefined) return config.flops / trainingFlops(architecture);
  const other = stageNamed(config.like!).train!;
  return config.match === 'compute' ? other.flops / trainingFlops(architecture) : other.tokens;
}

/** Weights that sum to 1, none of them zero, in the order of the domains: a sampler's draws may depend on the order. */
function shares(mix: Settings['mix'], inputs: PlanInputs): Record<string, number> {
  const names = inputs.domains.map(({ name }) => name).filter((name) => mix === 'equal' || Object.hasOwn(mix, name));
  const weights = names.map((name): [string, number] => [name, mix === 'equal' ? 1 : mix[name]!]);
  const sum = weights.reduce((total, [, weight]) => total + weight, 0);
  return Object.fromEntries(weights.map(([name, weight]) => [name, weight / sum]));
}

/**
 * Hashes all that decides a stage's result: parents, architecture, training, the content of the data, the seed. Left out is what
 * changes no number: names, how often to evaluate, how many checkpoints to keep.
 */
function stageKey(
  seed: number,
  stage: Pick<PlannedStage, 'parents' | 'architecture' | 'upcycle' | 'ensemble' | 'train'> & {
    evaluation: EvaluationPlan;
  },
  inputs: PlanInputs,
): string {
  const { checkpointEvery, keepCheckpoints, ...train } = stage.train ?? {};
  const content = {
    version: RESULT_VERSION,
    seed,
    architecture: stage.architecture,
    upcycle: stage.upcycle && { ...stage.upcycle, experts: undefined },
    ensemble: stage.ensemble?.weights,
    parents: stage.parents.map(({ key }) => key),
    train,
    evaluationTokens: stage.evaluation.tokens,
    tokenizer: inputs.tokenizer.fingerprint,
    domains: inputs.domains.map(({ name, fingerprint }) => [name, fingerprint]),
  };
  return createHash('sha256').update(JSON.stringify(content, sortKeys)).digest('hex').slice(0, 20);
}

/** A replacer for JSON.stringify that writes the keys of objects in order, so that equal content gives equal text. */
function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
