import { meanOf } from '../../src/base/statistics';
import { byStage, readVariantName } from '../../src/base/variant-name';
import type { Stage, State } from '../../src/messages/contract';
import { isDone } from './progress';

/** Stages that are shown as one: those that differ in their seed only, or a single one. */
export interface StageGroup {
  label: string;
  stages: readonly Stage[];
}

/** Whether stages of a run differ in their seed only. */
export function hasSeeds(stages: readonly Stage[]): boolean {
  return groupsOf(stages, true).length < stages.length;
}

/** The stages of a run in groups over seeds, or each by itself; all variants of a stage together. */
export function groupsOf(stages: readonly Stage[], joinsSeeds: boolean): StageGroup[] {
  const groups = new Map<string, Stage[]>();
  for (const stage of stages) {
    const label = joinsSeeds ? readVariantName(stage.name).group : stage.name;
    const group = groups.get(label);
    if (group) group.push(stage);
    else groups.set(label, [stage]);
  }
  const found = [...groups].map(([label, members]) => ({ label, stages: members }));
  return byStage(found, ({ label }) => label);
}

/** What a group is while its stages are in different states: the first of these that one of them is in. */
const STATE_ORDER: readonly State[] = [
  'running',
  'preparing',
  'failed',
  'interrupted',
  'stopped',
  'queued',
  'waiting',
  'finished',
  'cached',
];

/** A group as one stage, with means over the stages that are done, and how many those are. */
export function joinedStage({ label, stages }: StageGroup): Stage {
  const first = stages[0]!;
  if (stages.length === 1) return { ...first, name: label, parents: parentsOf(stages) };
  const done = stages.filter(isDone);
  const state = STATE_ORDER.find((one) => stages.some((stage) => stage.state === one)) ?? first.state;
  const working = stages.find((stage) => stage.state === state)!;
  const mean = (read: (stage: Stage) => number | null): number | null => {
    const values = done.flatMap((stage) => read(stage) ?? []);
    return values.length ? meanOf(values) : null;
  };
  return {
    ...working,
    name: label,
    state,
    parents: parentsOf(stages),
    average: mean(({ average }) => average),
    pooledLoss: mean(({ pooledLoss }) => pooledLoss),
    perplexity: meansOf(done.map(({ perplexity }) => perplexity)),
    accuracy: meansOf(done.map(({ accuracy }) => accuracy)),
    later: null,
    detail: [`${done.length} of ${stages.length} seeds done`, working.detail].filter(Boolean).join('; '),
  };
}

/** The mean of every name over the records that have it. */
function meansOf(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return Object.fromEntries(names.map((name) => [name, meanOf(records.flatMap((record) => record[name] ?? []))]));
}

function parentsOf(stages: readonly Stage[]): string[] {
  return [...new Set(stages.flatMap(({ parents }) => parents.map((parent) => readVariantName(parent).group)))];
}
