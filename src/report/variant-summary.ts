import { type Summary, summarize } from '../base/statistics';
import { readVariantName } from '../base/variant-name';
import type { StageSummary } from '../store/queries';

/** How all variants of one stage of a file stand. */
export interface VariantSummary {
  done: number;
  total: number;
  failed: number;
  /** Those that are at work. */
  working: StageSummary[];
  /** The lowest mean of average perplexities over the seeds that are done, among the swept values. */
  best: Summary | null;
}

/** The stages of a run by the names that the file has for them, in the order of the plan. */
export function stagesByFileName(stages: readonly StageSummary[]): Map<string, StageSummary[]> {
  const named = new Map<string, StageSummary[]>();
  for (const stage of stages) {
    const name = readVariantName(stage.name).stage;
    named.set(name, [...(named.get(name) ?? []), stage]);
  }
  return named;
}

/** Sums up the variants of one stage. */
export function summarizeVariants(stages: readonly StageSummary[]): VariantSummary {
  const done = stages.filter(({ state }) => state === 'finished' || state === 'cached');
  const groups = [...new Set(stages.map(({ name }) => readVariantName(name).group))];
  const means = groups.flatMap((group) => {
    const members = done.filter(({ name }) => readVariantName(name).group === group);
    return summarize(members.flatMap(({ result }) => result?.average ?? [])) ?? [];
  });
  return {
    done: done.length,
    total: stages.length,
    failed: stages.filter(({ state }) => state === 'failed').length,
    working: stages.filter(({ state }) => state === 'running' || state === 'preparing'),
    best: means.reduce<Summary | null>((best, mean) => (best && best.mean <= mean.mean ? best : mean), null),
  };
}
