import { readVariantName } from '../../base/variant-name';
import type { TableRun, TableStage } from '../../store/run-table';

/** What a stage has beside the perplexity of its domains. */
const OWN = ['average', 'later', 'tokens', 'flops'] as const;

/** A number of a stage: its average perplexity, at its end or when it was evaluated later, that of one domain, training tokens or FLOPs. */
export interface Measure {
  /** Stage and measure, e.g. `bam.average`, `bam.law`, `bam.tokens`; a swept value is part of the stage: `bam@batch=8.average`. */
  id: string;
  /** What a query may call it: its id, and that without swept values. */
  names: string[];
  /** Names of the stage: with and without swept values. */
  stages: string[];
  /** Whether it is an average over the domains. */
  isAverage: boolean;
  isPerplexity: boolean;
  /** Its values in a run, one a seed. */
  values: (run: TableRun) => number[];
}

/** Every number that a stage of some run has: for each stage the average, its domains, then tokens and FLOPs; a later average where there is one. */
export function measuresOf(runs: readonly TableRun[]): Measure[] {
  const domains = new Map<string, Set<string>>();
  const evaluatedLater = new Set<string>();
  for (const { stages } of runs) {
    for (const { group, perplexity, later } of stages) {
      if (later !== null) evaluatedLater.add(group);
      const known = domains.get(group) ?? new Set();
      for (const domain in perplexity) known.add(domain);
      domains.set(group, known);
    }
  }
  return [...domains].flatMap(([stage, names]) => stageMeasures(stage, [...names], evaluatedLater.has(stage)));
}

function stageMeasures(group: string, domains: readonly string[], hasLater: boolean): Measure[] {
  const stages = [...new Set([group, readVariantName(group).stage])];
  const measure = (name: string, isPerplexity: boolean, read: (from: TableStage) => number | null): Measure => ({
    id: `${group}.${name}`,
    names: stages.map((stage) => `${stage}.${name}`),
    stages,
    isAverage: name === 'average' || name === 'later',
    isPerplexity,
    values: (run) => run.stages.flatMap((stage) => (stage.group === group ? (read(stage) ?? []) : [])),
  });
  return [
    measure('average', true, ({ average }) => average),
    ...(hasLater ? [measure('later', true, ({ later }) => later)] : []),
    ...domains.map((domain) => {
      // A domain may be called like another measure.
      const isTaken = (OWN as readonly string[]).includes(domain);
      return measure(isTaken ? `${domain}.perplexity` : domain, true, ({ perplexity }) => perplexity[domain] ?? null);
    }),
    measure('tokens', false, ({ tokens }) => tokens),
    measure('flops', false, ({ flops }) => flops),
  ];
}

/** What a list calls a run: its title, else its id. */
export function runTitle({ title, id }: Pick<TableRun, 'title' | 'id'>): string {
  return title ?? id;
}
