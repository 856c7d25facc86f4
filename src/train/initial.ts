import { join } from 'node:path';
import { isAdapter } from '../architecture/adapters';
import { deriveSeed } from '../base/random';
import { CheckpointError } from '../base/errors';
import {
  type Checkpoint,
  checkpointName,
  listCheckpoints,
  loadCheckpoint,
  type PruningRecord,
} from '../checkpoint/checkpoint';
import type { Architecture } from '../architecture/architecture';
import type { UpcycleConfig } from '../config/upcycle-schema';
import type { OpenDomain } from '../data/prepare';
import { randomValues } from '../model/parameters';
import type { Plan, PlannedStage } from '../plan/plan';
import { describeMixture } from '../upcycle/describe';
import { newRouters } from '../upcycle/routers';
import { averageParents, type Parent, upcycle } from '../upcycle/upcycle';
import { centroidRouters, mainDomains } from './centroids';
import { describeRecord, prunedMixture } from './prune';
import { splitParent } from './split-stage';

/** The parameters that a stage starts from, and in words where they came from. */
export interface InitialParameters {
  values: ReadonlyMap<string, Float32Array>;
  description: string;
  /** What to know about them before the result is believed. */
  warning?: string;
  /** What else to say of them. */
  remarks?: string[];
  /** Which experts a pruned mixture has, where the plan only knows how many. */
  architecture?: Architecture;
  /** Why it has these. */
  pruning?: PruningRecord;
  /** The checkpoint of the model that its adapters adapt. */
  base?: string;
}

/** Where a stage finds what it starts from. */
export interface InitialSources {
  /** Folder of a stage's checkpoints by key. */
  checkpoints: (key: string) => string;
  domains: ReadonlyMap<string, OpenDomain>;
}

/**
 * A stage's first parameters where it imports none: random, its parent's, its parent's split into experts, or a mixture of its parents. Throws a `CheckpointError` where a parent has no
 * checkpoint or does not fit.
 */
export function initialParameters(plan: Plan, stage: PlannedStage, sources: InitialSources): InitialParameters {
  const { parents, architecture, upcycle: config, split } = stage;
  if (stage.prune) return pruned(plan, stage, sources);
  if (config && parents.length) return upcycled(plan, stage, config, sources);
  if (split && parents[0])
    return splitParent(plan, stage, split, loadParent(parents[0], sources.checkpoints), sources.domains);
  if (parents[0]) return fromParent(stage, parents[0], sources);
  const values = randomValues(architecture, stage.seed);
  if (config) setAll(values, newRouters(architecture, deriveSeed(stage.seed, 'upcycle'), config.router));
  return { values, description: 'random parameters' };
}

/** A planned architecture with the experts that a checkpoint of it has. */
export function withPrunedOf(planned: Architecture, { mixture }: Architecture): Architecture {
  if (!planned.mixture?.pruned || !mixture?.pruned) return planned;
  return { ...planned, mixture: { ...planned.mixture, pruned: mixture.pruned } };
}

function pruned(plan: Plan, stage: PlannedStage, { checkpoints, domains }: InitialSources): InitialParameters {
  const [parent, since] = stage.parents.map(({ name, key }) => loadFinal(name, checkpoints(key)));
  const { values, architecture, description, record } = prunedMixture(plan, stage, { parent: parent!, since, domains });
  const found = withPrunedOf(stage.architecture, architecture);
  return { values, description, architecture: found, pruning: record, remarks: describeRecord(record) };
}

/** A parent's parameters as they are, with new adapters where the stage has some and the parent has not. */
function fromParent(
  { architecture: planned, seed }: PlannedStage,
  { name, key }: PlannedStage['parents'][number],
  { checkpoints }: InitialSources,
): InitialParameters {
  const parent = loadFinal(name, checkpoints(key));
  const description = `from stage ${name}`;
  const { parameters } = parent;
  const architecture = withPrunedOf(planned, parent.architecture);
  if (!architecture.adapters) return { values: parameters, description, architecture };
  if (parent.base !== undefined) return { values: parameters, description, architecture, base: parent.base };
  const adapters = randomValues(architecture, deriveSeed(seed, 'adapters'), isAdapter);
  return {
    values: new Map([...parameters, ...adapters]),
    description: `${description}, which stays as it is; adapters new`,
    architecture,
    base: join(checkpoints(key), checkpointName(parent.training.step)),
  };
}

function upcycled(
  plan: Plan,
  { parents, architecture, seed: runSeed }: PlannedStage,
  config: UpcycleConfig,
  sources: InitialSources,
): InitialParameters {
  // A checkpoint that is listed twice is one parent.
  const byKey = new Map(parents.map((parent) => [parent.key, parent]));
  const loaded = new Map([...byKey].map(([key, parent]) => [key, loadParent(parent, sources.checkpoints)]));
  const experts = parents.flatMap(({ key }) => Array.from({ length: config.copies ?? 1 }, () => loaded.get(key)!));
  const seed = deriveSeed(runSeed, 'upcycle');
  const values = upcycle(experts, architecture, seed, config);
  if (config.router?.init === 'centroid') {
    const domains = parents.map(({ name }) => domainsOf(plan, name, sources.domains));
    const { deviation } = config.router;
    const dense = averageParents(experts);
    setAll(values, centroidRouters({ mixture: architecture, dense, domains, deviation, seed }));
  }
  return { values, description: describeMixture(architecture, experts, config) };
}

function setAll(values: Map<string, Float32Array>, changes: ReadonlyMap<string, Float32Array>): void {
  for (const [name, change] of changes) values.set(name, change);
}

/** The domains that a stage trained on most; all where it did not train. */
function domainsOf(plan: Plan, stage: string, domains: InitialSources['domains']): OpenDomain[] {
  const train = plan.stages.find(({ name }) => name === stage)?.train;
  return train ? mainDomains(train.mix).map((name) => domains.get(name)!) : [...domains.values()];
}

function loadParent(
  { name, key }: PlannedStage['parents'][number],
  checkpoints: InitialSources['checkpoints'],
): Parent {
  return { name, ...loadFinal(name, checkpoints(key)) };
}

/** The last checkpoint of a finished stage. Throws a `CheckpointError` that names the stage where it has none. */
export function loadFinal(name: string, folder: string): Checkpoint {
  const step = listCheckpoints(folder).at(-1);
  if (step === undefined) {
    throw new CheckpointError(`Stage ${name} should have a checkpoint in ${folder}, found none.`, {
      reason: 'missing',
      advice: `Run the stage again: bam run FILE --stages ${name}`,
    });
  }
  return loadCheckpoint(join(folder, checkpointName(step)), 'model');
}
