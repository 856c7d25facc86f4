import { createHash } from 'node:crypto';
import type { Architecture } from '../architecture/architecture';
import { readVariantName } from '../base/variant-name';
import { countParameters, forwardFlops, trainingFlops } from '../architecture/counts';
import type { Experiment, StageConfig } from '../config/schema';
import { FREEZABLE, type TrainConfig, trainDefaults } from '../config/train-schema';
import { adaptedArchitecture } from './adapting';
import { type Budget, budgetOf, type StageNamed } from './budget';
import type { FoundImport } from './imports';
import type { EvaluationPlan, Plan, PlannedDomain, PlannedStage, TrainPlan } from './plan';
import { completeUpcycling, plannedRouting } from './upcycling';

/** Raised when a change of the program changes what a stage computes, so that old results are not taken for new ones. */
const RESULT_VERSION = 1;

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
      for (const { name } of [stage, ...stage.parents]) wanted.add(name);
    }
  }
  return plan.stages.filter(({ name }) => wanted.has(name));
}

function planStage(name: string, experiment: Experiment, inputs: PlanInputs, stageNamed: StageNamed): PlannedStage {
  const config = experiment.stages[name]!;
  const { ensemble } = config;
  const upcycle = config.upcycle && completeUpcycling(config.upcycle);
  const parentNames = config.upcycle?.experts ?? ensemble?.members ?? (config.from ? [config.from] : []);
  const parents = parentNames.map(stageNamed);
  const imported = inputs.imports?.get(name);
  // A checkpoint was looked at once for all variants, which may have contexts of their own.
  const own = imported && { ...imported.architecture, context: experiment.model.context };
  const architecture = stageArchitecture(config, own ?? inputs.dense, parents);
  const settings = settingsOf(name, experiment, architecture, inputs);
  const budget = config.train && budgetOf(config.train, architecture, parents, stageNamed);
  const train = budget && planTraining(budget, settings, architecture, inputs);
  // An ensemble has no settings of its own, and is compared with its members.
  const evaluation = ensemble
    ? parents[0]!.evaluation
    : { every: settings.evaluateEvery, tokens: settings.evaluationTokens };
  const stage = {
    parents: parents.map(({ name: parent, key }) => ({ name: parent, key })),
    ...(imported && { import: imported.planned }),
    architecture,
    evaluation,
  };
  return {
    name,
    seed: experiment.seed,
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

type Settings = Omit<Required<TrainConfig>, 'like' | 'match' | 'countParents' | 'tokens' | 'flops'>;

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
  architecture: Architecture,
  inputs: PlanInputs,
): TrainPlan {
  const { evaluateEvery, evaluationTokens, mix, freeze, ...rest } = settings;
  const frozen = FREEZABLE.filter((part) => freeze.includes(part) && !architecture.adapters);
  const tokensPerStep = settings.batch * architecture.context;
  const steps = Math.max(1, Math.round(wanted.tokens / tokensPerStep));
  const tokens = steps * tokensPerStep;
  const budget = { steps, tokens, flops: tokens * trainingFlops(architecture), ...(parentFlops && { parentFlops }) };
  return {
    ...rest,
    mix: shares(mix, inputs),
    ...budget,
    ...(frozen.length && { freeze: frozen }),
    // Routers that are frozen have nothing to learn from losses of their own.
    ...(architecture.adapters && { loadBalance: 0, routerZ: 0 }),
  };
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
 * changes no number: names, how often to evaluate, how many checkpoints to keep, what a budget stands for. An expert that is listed twice counts once in
 * the means of shared parameters, which it did not always: keys of such mixtures say so.
 */
function stageKey(
  seed: number,
  stage: Pick<PlannedStage, 'parents' | 'architecture' | 'upcycle' | 'ensemble' | 'import' | 'train'> & {
    evaluation: EvaluationPlan;
  },
  inputs: PlanInputs,
): string {
  const { checkpointEvery, keepCheckpoints, parentFlops, ...train } = stage.train ?? {};
  const parents = stage.parents.map(({ key }) => key);
  const repeats = new Set(parents).size < parents.length;
  const content = {
    version: RESULT_VERSION,
    seed,
    architecture: stage.architecture,
    upcycle: stage.upcycle && { ...stage.upcycle, experts: undefined, ...(repeats && { means: 'distinct' }) },
    ensemble: stage.ensemble?.weights,
    parents,
    imported: stage.import?.fingerprint,
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
