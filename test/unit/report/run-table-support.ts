import { readVariantName } from '../../../src/base/variant-name';
import type { TableRun, TableStage } from '../../../src/store/run-table';

/** A finished stage with its average, and perplexities where they matter. */
export function stage(name: string, average: number | null, perplexity: Record<string, number> = {}): TableStage {
  return {
    name,
    group: readVariantName(name).group,
    key: `key-${name}`,
    state: 'finished',
    average,
    later: null,
    tokens: 500_000,
    flops: 2e12,
    perplexity,
  };
}

/** A finished run without stages or annotations, apart from what is given. */
export function run(id: string, more: Partial<TableRun> = {}): TableRun {
  const averages = (more.stages ?? []).flatMap(({ average }) => average ?? []);
  return {
    id,
    experiment: 'law-math',
    file: null,
    seed: 1,
    commit: '0a1b2c3d4e',
    version: '0.1.0',
    state: 'finished',
    started: Date.UTC(2026, 10, 1, 17, 15),
    ended: null,
    seconds: 600,
    message: null,
    title: null,
    starred: false,
    tags: [],
    note: null,
    archived: false,
    stagesDone: more.stages?.length ?? 0,
    stagesTotal: more.stages?.length ?? 0,
    bestAverage: averages.length ? Math.min(...averages) : null,
    stages: [],
    seeds: [more.seed ?? 1],
    ...more,
  };
}
