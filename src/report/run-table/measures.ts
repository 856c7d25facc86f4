import type { TableRun, TableStage } from '../../store/run-table';

/** What a stage has beside the perplexity of its domains. */
const OWN = ['average', 'tokens', 'flops'] as const;

/** A number of a stage: its average perplexity, the perplexity of one domain, training tokens or FLOPs. */
export interface Measure {
  /** Stage and measure, e.g. `bam.average`, `bam.law`, `bam.tokens`. */
  id: string;
  stage: string;
  isAverage: boolean;
  isPerplexity: boolean;
  /** Its value in a run; `null` where there is none. */
  value: (run: TableRun) => number | null;
}

/** Every number that a stage of some run has: for each stage the average, its domains, then tokens and FLOPs. */
export function measuresOf(runs: readonly TableRun[]): Measure[] {
  const domains = new Map<string, Set<string>>();
  for (const { stages } of runs) {
    for (const { name, perplexity } of stages) {
      const known = domains.get(name) ?? new Set();
      for (const domain in perplexity) known.add(domain);
      domains.set(name, known);
    }
  }
  return [...domains].flatMap(([stage, names]) => stageMeasures(stage, [...names]));
}

function stageMeasures(stage: string, domains: readonly string[]): Measure[] {
  const measure = (name: string, isPerplexity: boolean, read: (from: TableStage) => number | null): Measure => ({
    id: `${stage}.${name}`,
    stage,
    isAverage: name === 'average',
    isPerplexity,
    value: ({ stages }) => {
      const found = stages.find((one) => one.name === stage);
      return found ? read(found) : null;
    },
  });
  return [
    measure('average', true, ({ average }) => average),
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
