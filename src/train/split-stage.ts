import { formatCount } from '../base/format';
import { deriveSeed } from '../base/random';
import type { SplitConfig } from '../config/split-schema';
import { MixtureSampler } from '../data/mixture';
import type { OpenDomain } from '../data/prepare';
import type { Batch } from '../data/sequences';
import { withParameters } from '../model/parameters';
import type { Plan, PlannedStage } from '../plan/plan';
import { randomScores, splitFfns } from '../upcycle/split';
import type { Parent } from '../upcycle/upcycle';
import { type TrainingText, trainingText } from './batches';
import { neuronImportance } from './neuron-importance';

/** A stage's first parameters, split out of its dense parent's, and in words how. */
export function splitParent(
  plan: Plan,
  stage: PlannedStage,
  split: SplitConfig,
  parent: Parent,
  domains: ReadonlyMap<string, OpenDomain>,
): { values: Map<string, Float32Array>; description: string } {
  const seed = deriveSeed(stage.seed, 'split');
  const mix = plan.stages.find(({ name }) => name === parent.name)?.train?.mix;
  const scores = split.tokens ? measured(parent, split.tokens, textOf(mix, domains), seed) : undefined;
  const ranked = scores?.map((layer) => (split.importance === 'inverse' ? layer.map((score) => -score) : layer));
  const values = splitFfns(parent, stage.architecture, {
    scores: ranked ?? randomScores(parent.architecture, seed),
    sizes: split,
    seed,
  });
  return { values, description: describeSplit(split, parent) };
}

/** The text that a stage trained on; every domain alike where it did not train. */
function textOf(mix: Record<string, number> | undefined, domains: ReadonlyMap<string, OpenDomain>): TrainingText {
  return trainingText(mix ?? Object.fromEntries([...domains.keys()].map((name) => [name, 1])), domains);
}

function measured({ architecture, parameters }: Parent, tokens: number, text: TrainingText, seed: number) {
  const { context } = architecture;
  const sampler = new MixtureSampler(text, context, deriveSeed(seed, 'importance'));
  return withParameters(architecture, parameters, (variables) =>
    neuronImportance(architecture, variables, samples(sampler, Math.ceil(tokens / context))),
  );
}

function* samples(sampler: MixtureSampler, count: number): Generator<Batch> {
  for (let i = 0; i < count; i++) yield sampler.next(1);
}

function describeSplit(split: SplitConfig, { name, architecture }: Parent): string {
  const { experts, width, shared, routing, importance, tokens } = split;
  const ranked = {
    gradient: `by importance on ${formatCount(tokens ?? 0)} tokens`,
    inverse: `by least importance on ${formatCount(tokens ?? 0)} tokens`,
    random: 'by chance',
  }[importance];
  const sizes = `${width} of ${architecture.ffnHidden} hidden neurons, ${shared} of them shared, ${ranked}`;
  if (experts === 1) return `the FFNs of stage ${name} with ${sizes}`;
  const how = routing === 'hash' ? 'tokens sent by a hash of their id' : 'routers new, experts scaled';
  return `${experts} experts from the FFNs of stage ${name}, each ${sizes}; ${how}`;
}
