import * as tf from '@tensorflow/tfjs';
import { type Architecture, remainingExperts } from '../architecture/architecture';
import { deriveSeed, uniformGenerator } from '../base/random';
import type { Checkpoint, PruningRecord } from '../checkpoint/checkpoint';
import type { OpenDomain } from '../data/prepare';
import { withParameters } from '../model/parameters';
import type { Plan, PlannedStage } from '../plan/plan';
import { describePruning, type PlannedPruning } from '../plan/pruning';
import { type ExpertScores, removedByScore } from '../prune/choose';
import { groupAlike } from '../prune/groups';
import { mergeExperts, withoutExperts } from '../prune/merge';
import { routerNormChanges, scoresOf } from '../prune/router-norm';
import { expertMatrices, linearCka } from './expert-similarity';
import { type LayerMeasures, measureExperts, type MeasuredMixture } from './measure-experts';

/** A mixture with fewer FFN experts, and why it has these. */
export interface PrunedMixture {
  values: Map<string, Float32Array>;
  architecture: Architecture;
  description: string;
  record: PruningRecord;
}

/** What is pruned: the parent's checkpoint, and for router-norm that of the stage in `since`. */
export interface PruningSources {
  parent: Checkpoint;
  since: Checkpoint | undefined;
  domains: ReadonlyMap<string, OpenDomain>;
}

/** Removes the FFN experts of a mixture that a stage's pruning says, by scores or by merging similar ones. Attention experts stay. */
export function prunedMixture(plan: Plan, stage: PlannedStage, sources: PruningSources): PrunedMixture {
  const pruning = stage.prune!;
  const { parent } = sources;
  const mix = mixOf(plan, stage.parents[0]!.name);
  const found =
    pruning.method === 'similarity'
      ? groupsOf(pruning, sources, mix, stage.seed)
      : { scores: scoresFor(pruning, sources, mix, stage.seed) };
  const removed =
    'groups' in found ? othersOf(found.groups, parent.architecture) : chosen(found.scores, pruning, parent);
  const values = new Map([...parent.parameters].map(([name, tensor]) => [name, tensor.slice()]));
  if ('groups' in found) {
    found.groups.forEach((groups, layer) =>
      groups.forEach((group) => mergeExperts(values, parent.architecture, layer, group)),
    );
  }
  const mixture = { ...parent.architecture.mixture!, pruned: { experts: removed, routing: pruning.routing } };
  const names = stage.parents.map(({ name }) => name);
  const since = pruning.since && { since: names[1]! };
  const text = describePruning({ ...pruning, ...since }, mixture.experts);
  return {
    values: withoutExperts(values, parent.architecture, removed),
    architecture: { ...parent.architecture, mixture },
    description: `from stage ${names[0]}, pruned to ${text}; attention experts stay`,
    record: recordOf(pruning.method, removed, found),
  };
}

function chosen(scores: ExpertScores, { keep, scope }: PlannedPruning, { architecture }: Checkpoint): number[][] {
  const { ffnRouting, ffnTopK } = architecture.mixture!;
  return removedByScore(scores, { keep, scope, atLeast: ffnRouting === 'soft' ? 1 : ffnTopK });
}

/** What a stage trained on; without training what it comes from trained on, or all domains alike. */
export function mixOf(plan: Pick<Plan, 'stages' | 'domains'>, name: string): Readonly<Record<string, number>> {
  const stage = plan.stages.find((one) => one.name === name);
  if (stage?.train) return stage.train.mix;
  if (stage?.parents[0] && !stage.upcycle) return mixOf(plan, stage.parents[0].name);
  return Object.fromEntries(plan.domains.map((domain) => [domain.name, 1]));
}

type Mix = ReturnType<typeof mixOf>;

/** The score of every expert; the largest stay. */
function scoresFor(
  { method, tokens }: PlannedPruning,
  { parent, since, domains }: PruningSources,
  mix: Mix,
  seed: number,
): ExpertScores {
  const { architecture } = parent;
  if (method === 'router-norm') return routerNormChanges(parent.parameters, since!.parameters, architecture);
  if (method === 'random') return randomScores(architecture, seed);
  const measured = withParameters(architecture, parent.parameters, (parameters) =>
    measureExperts({ architecture, parameters, domains, mix, tokens: tokens!, seed }, false),
  );
  const measure = method as 'usage' | 'activation';
  return measuredScores(architecture, measured, measure);
}

/** One of the measures by layer and expert. */
export function measuredScores(
  { layers, mixture }: Architecture,
  measured: readonly LayerMeasures[],
  measure: 'usage' | 'activation',
): ExpertScores {
  return scoresOf(layers, mixture!.experts, (layer) => {
    const found = measured[layer]!;
    return new Map(found.experts.map((expert, i) => [expert, found[measure][i]!]));
  });
}

function randomScores({ layers, mixture }: Architecture, seed: number): ExpertScores {
  return scoresOf(layers, mixture!.experts, (layer) => {
    const uniform = uniformGenerator(deriveSeed(seed, 'prune', 'random', layer));
    const scores = Array.from({ length: mixture!.experts }, uniform);
    return new Map(remainingExperts(mixture!, layer).map((expert) => [expert, scores[expert]!]));
  });
}

/** The groups of each layer's experts, and how alike experts are, both by their numbers in the mixture. */
interface Grouping {
  groups: number[][][];
  similarity: number[][][];
}

function groupsOf(
  { keep, similarity, tokens }: PlannedPruning,
  sources: PruningSources,
  mix: Mix,
  seed: number,
): Grouping {
  const { parent, domains } = sources;
  const { architecture } = parent;
  const matrices = withParameters(architecture, parent.parameters, (parameters) => {
    if (similarity === 'weights') return weightSimilarity(architecture, parameters);
    const source = { architecture, parameters, domains, mix, tokens: tokens!, seed };
    return measureExperts(source, true).map((measures) => measures.similarity!);
  });
  const groups = matrices.map((matrix, layer) => {
    const experts = remainingExperts(architecture.mixture!, layer);
    return groupAlike(matrix, Math.min(keep, experts.length)).map((group) => group.map((i) => experts[i]!));
  });
  return { groups, similarity: matrices };
}

/** Linear CKA of the weights of every two experts, by layer. */
export function weightSimilarity(architecture: Architecture, parameters: MeasuredMixture['parameters']): number[][][] {
  return Array.from({ length: architecture.layers }, (_, layer) =>
    tf.tidy(() => linearCka(expertMatrices(architecture, parameters, layer))),
  );
}

/** All experts but the first of each group, by layer. */
function othersOf(groups: Grouping['groups'], { mixture }: Architecture): number[][] {
  return groups.map((own) => {
    const kept = new Set(own.map(([first]) => first));
    return Array.from({ length: mixture!.experts }, (_, expert) => expert).filter((expert) => !kept.has(expert));
  });
}

function recordOf(
  method: PlannedPruning['method'],
  removed: readonly number[][],
  found: Grouping | { scores: ExpertScores },
): PruningRecord {
  const layers = removed.map((experts, layer) => ({
    removed: experts,
    ...('groups' in found
      ? { groups: found.groups[layer]!, similarity: rounded(found.similarity[layer]!) }
      : { scores: found.scores[layer]!.map((score) => score && digits(score)) }),
  }));
  return { method, layers };
}

function rounded(matrix: readonly (readonly number[])[]): number[][] {
  return matrix.map((row) => row.map(digits));
}

function digits(value: number): number {
  return Number(value.toPrecision(6));
}

/** For the log, what was removed from each layer and why. */
export function describeRecord({ layers }: PruningRecord): string[] {
  return layers.map(({ removed, scores, groups }, layer) => {
    const why = groups
      ? `merged ${groups.map((group) => group.join(' + ')).join(', ')}`
      : `scores ${scores!.map((score, expert) => `${expert}: ${score?.toPrecision(3) ?? '-'}`).join(', ')}`;
    return `layer ${layer} is without ${removed.join(', ') || 'none'} (${why})`;
  });
}
