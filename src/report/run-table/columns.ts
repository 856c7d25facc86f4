import { formatCount, formatDuration, formatMeasure, formatTime } from '../../base/format';
import { summarize } from '../../base/statistics';
import type { TableRun } from '../../store/run-table';
import { measuresOf, runTitle } from './measures';

/** How the values of several runs become one: a `measure` has a mean and a spread, a `time` its latest; the others are listed. */
type ColumnKind = 'text' | 'label' | 'measure' | 'time';

/** A column of the run table. */
export interface Column {
  id: string;
  label: string;
  kind: ColumnKind;
  /** Whether it is shown until somebody chooses. */
  isDefault: boolean;
  value: (run: TableRun) => number | string | null;
  /** Of a measure that a run may have several numbers of, one a seed; `value` is their mean. */
  values?: (run: TableRun) => number[];
  /** For numbers. */
  format: (value: number) => string;
}

/** How many runs a row of a grouped table has; it stands for itself, since a run does not know it. */
export const COUNT_COLUMN: Column = own('runs', 'Runs', 'label', () => null);

/**
 * Every column that these runs have, in the order in which they are shown at first: results stand before circumstances. Stages come in the
 * order of the newest run that has them.
 */
export function allColumns(runs: readonly TableRun[], isGrouped: boolean): Column[] {
  const stages = stageColumns(runs);
  const averages = stages.filter(({ isDefault }) => isDefault);
  const others = stages.filter(({ isDefault }) => !isDefault);
  const [title, ...results] = RESULT_COLUMNS;
  const shown = [title!, ...(isGrouped ? [COUNT_COLUMN] : []), ...results, ...averages, ...FACT_COLUMNS];
  // Names of stages and domains are free: of two columns with the same id the first counts.
  const byId = new Map([...shown, ...others, ...MORE_COLUMNS].toReversed().map((column) => [column.id, column]));
  return [...byId.values()].reverse();
}

const RESULT_COLUMNS: Column[] = [
  own('run', 'Run', 'text', runTitle),
  own('starred', 'Star', 'text', ({ starred }) => (starred ? '★' : null)),
  own('state', 'State', 'text', ({ state }) => state),
  own('best', 'Best average', 'measure', ({ bestAverage }) => bestAverage, formatMeasure),
];

const FACT_COLUMNS: Column[] = [
  own('seed', 'Seed', 'label', ({ seeds }) => (seeds.length > 1 ? seeds.join(', ') : (seeds[0] ?? null))),
  own('started', 'Started', 'time', ({ started }) => started, formatTime),
  own('duration', 'Duration', 'measure', ({ seconds }) => seconds, formatDuration),
  own('experiment', 'Experiment', 'text', ({ experiment }) => experiment),
  own('tags', 'Tags', 'text', ({ tags }) => tags.join(', ') || null),
  own('stages', 'Stages done', 'text', ({ stagesDone, stagesTotal }) => `${stagesDone} of ${stagesTotal}`),
];

const MORE_COLUMNS: Column[] = [
  own('commit', 'Commit', 'text', ({ commit }) => commit?.slice(0, 12) ?? null),
  own('note', 'Note', 'text', ({ note }) => note),
  own('id', 'Run id', 'text', ({ id }) => id),
].map((column) => ({ ...column, isDefault: false }));

function own(
  id: string,
  label: string,
  kind: ColumnKind,
  value: Column['value'],
  format: Column['format'] = String,
): Column {
  return { id, label, kind, isDefault: true, value, format };
}

/** Only the average of each stage is shown at first. */
function stageColumns(runs: readonly TableRun[]): Column[] {
  return measuresOf(runs).map(({ id, isAverage, isPerplexity, values }) => {
    const format = isPerplexity ? formatMeasure : formatCount;
    const value: Column['value'] = (run) => summarize(values(run))?.mean ?? null;
    return { id, label: id, kind: 'measure', isDefault: isAverage, value, values, format };
  });
}
