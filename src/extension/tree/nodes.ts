import type { Project } from '../project/project';
import type { Checkpoint, RunSummary, StageSummary } from '../../store/queries';

/** An experiment file, with or without runs. */
export interface FileNode {
  kind: 'file';
  file: string;
  /** False for the file of a run that is no longer there. */
  exists: boolean;
}

export interface RunNode {
  kind: 'run';
  project: Project;
  run: RunSummary;
}

export interface StageNode {
  kind: 'stage';
  project: Project;
  run: RunSummary;
  stage: StageSummary;
  checkpoints: Checkpoint[];
}

/** All variants of one stage of the file. */
export interface VariantsNode {
  kind: 'variants';
  project: Project;
  run: RunSummary;
  /** The stage's name in the file. */
  stage: string;
  members: StageNode[];
}

export interface CheckpointNode {
  kind: 'checkpoint';
  project: Project;
  run: RunSummary;
  checkpoint: Checkpoint;
}

export type Node = FileNode | RunNode | VariantsNode | StageNode | CheckpointNode;

export const SORT_ORDERS = ['newest', 'best', 'name', 'starred'] as const;
export type SortOrder = (typeof SORT_ORDERS)[number];

/** What the tree shows of the runs. */
export interface TreeView {
  /** Words that must all stand in the run's id, title, state, tags or note. */
  filter: string;
  sort: SortOrder;
  showArchived: boolean;
}

/** The runs to show, in order. */
export function arrange(runs: readonly RunSummary[], { filter, sort, showArchived }: TreeView): RunSummary[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = runs.filter((run) => (showArchived || !run.archived) && matches(run, words));
  return shown.sort(COMPARE[sort]);
}

/** The name that people read: the title, else the id. */
export function runLabel({ id, title }: Pick<RunSummary, 'id' | 'title'>): string {
  return title ?? id;
}

function matches({ id, title, experiment, state, tags, note }: RunSummary, words: readonly string[]): boolean {
  const text = [id, title, experiment, state, note, ...tags.map((tag) => `#${tag}`)].join(' ').toLowerCase();
  return words.every((word) => text.includes(word));
}

const newest = (a: RunSummary, b: RunSummary): number => (b.started ?? 0) - (a.started ?? 0);

const COMPARE: Record<SortOrder, (a: RunSummary, b: RunSummary) => number> = {
  newest,
  best: (a, b) => (a.bestAverage ?? Infinity) - (b.bestAverage ?? Infinity) || newest(a, b),
  name: (a, b) => runLabel(a).localeCompare(runLabel(b)),
  starred: (a, b) => Number(b.starred) - Number(a.starred) || newest(a, b),
};
