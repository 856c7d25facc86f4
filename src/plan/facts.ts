import { meanFfnExpertsPerToken } from '../architecture/architecture';
import { readVariantName } from '../base/variant-name';
import { formatCount, formatDuration, formatMeasure } from '../base/format';
import { describeAdapters, describeTrained } from './adapting';
import { describeImport } from './imports';
import type { Plan, PlannedDomain, PlannedStage, TrainPlan } from './plan';
import { describePruning } from './pruning';
import { describeSplit } from './splitting';
import { describeZeroComputation, parentsText } from './upcycling';

/** The last evaluation of a stage. */
export interface LastResult {
  /** Mean perplexity of the domains. */
  average: number;
  domains: Record<string, { perplexity: number }>;
}

/** One thing to know about a stage or domain, as a label and a value. */
export type Fact = [label: string, value: string];

/** What is known beside the plan. */
export interface Measured {
  /** Training FLOPs that the machine does in a second. */
  speed?: number | undefined;
  last?: LastResult | undefined;
  /** What the stage's experts are called. */
  experts?: readonly string[] | undefined;
}

/** What a planned stage comes to: parents, counts, budget, estimated time, last result. */
export function stageFacts(stage: PlannedStage, { speed, last, experts = [] }: Measured): Fact[] {
  const { architecture, parameters, flopsPerToken, train, upcycle, split, prune, teacher, ensemble } = stage;
  const { import: imported } = stage;
  const origin = imported ? describeImport(imported) : 'random parameters';
  const facts: Fact[] = [
    [ensemble ? 'averages' : 'starts from', parentsText(stage) || origin],
    ['parameters', `${formatCount(parameters.total)}, of them active ${formatCount(parameters.active)}`],
    ['FLOPs per token', formatCount(flopsPerToken)],
  ];
  if (experts.length) facts.splice(1, 0, ['experts', experts.join(', ')]);
  if (ensemble) facts.unshift(['weights', ensemble.weights]);
  if (stage.serve) facts.unshift(['serves with', describeServing(stage.serve)]);
  if (architecture.adapters && !ensemble) {
    facts.unshift(['adapted by', describeAdapters(architecture.adapters)]);
    if (train) facts.push(['trained parameters', describeTrained(architecture)]);
  }
  if (prune) facts.unshift(['pruned to', describePruning(prune, architecture.mixture!.experts)]);
  if (upcycle?.gatingResidual) facts.unshift(['gating residuals', 'yes']);
  if (upcycle?.zeroComputation) {
    facts.unshift(['zero-computation experts', describeZeroComputation(upcycle.zeroComputation)]);
  }
  if (architecture.mixture?.zeroComputation && !ensemble) {
    const mean = Number(meanFfnExpertsPerToken(architecture.mixture, 0).toFixed(2));
    facts.push(['FFN experts per token', `${mean} planned, of ${architecture.mixture.experts}`]);
  }
  if (upcycle) facts.unshift(['upcycled by', upcycle.method]);
  if (split) facts.unshift(['split into', describeSplit(split)]);
  if (train) {
    facts.push(
      ['tokens', `${formatCount(train.tokens)} in ${train.steps} steps`],
      ['training FLOPs', formatCount(train.flops)],
    );
    if (train.parentFlops) facts.push(['of them for parents', formatCount(train.parentFlops)]);
    if (teacher) facts.push(['learns from', `${teacher.name}, ${describeDistilling(train.distill!)}`]);
    if (train.freeze) facts.push(['frozen', train.freeze.join(', ')]);
    if (speed) facts.push(['estimated time', formatDuration(train.flops / speed)]);
  }
  if (last) facts.push(['last perplexity', lastPerplexity(last)]);
  return facts;
}

/** How a stage serves, in words. */
export function describeServing({ budget, high, low, policies }: NonNullable<PlannedStage['serve']>): string {
  const precisions = low === 'none' ? high : `${high} and ${low}`;
  return `room for ${Number((100 * budget).toPrecision(3))} % of the experts, in ${precisions}; ${policies.join(', ')}`;
}

const TAUGHT = {
  all: 'predictions and all layers',
  last: 'predictions and the last layer',
  none: 'predictions',
} as const;

/** How a stage learns from its teacher, in words. */
export function describeDistilling({ weight, layers }: NonNullable<TrainPlan['distill']>): string {
  return `${TAUGHT[layers]} (weight ${weight})`;
}

/** The seeds of stages in words: `seed 1`, `seeds 1, 2, 3`. */
export function describeSeeds(stages: readonly Pick<PlannedStage, 'seed'>[]): string {
  const seeds = [...new Set(stages.map(({ seed }) => seed))];
  return `${seeds.length === 1 ? 'seed' : 'seeds'} ${seeds.join(', ')}`;
}

function lastPerplexity({ average, domains }: LastResult): string {
  const each = Object.entries(domains).map(([name, { perplexity }]) => `${name} ${formatMeasure(perplexity)}`);
  return [`${formatMeasure(average)} on average`, ...each].join(', ');
}

/** What a domain holds, and which stages train on it. */
export function domainFacts({ name, files, bytes, config }: PlannedDomain, plan: Plan): Fact[] {
  const stages = plan.stages.filter(({ train }) => train && Object.hasOwn(train.mix, name));
  return [
    ['files', String(files)],
    ['bytes', formatCount(bytes)],
    ['held out', `${Number((config.heldOut * 100).toPrecision(3))} % of documents`],
    [
      'trained on by',
      [...new Set(stages.map(({ name: stage }) => readVariantName(stage).stage))].join(', ') || 'no stage',
    ],
  ];
}
