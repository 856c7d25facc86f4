import { formatDifference } from '../../src/base/difference';
import { formatMeasure } from '../../src/base/format';
import { letterOf } from '../../src/base/run-letter';
import { formatSummary, type Summary } from '../../src/base/statistics';
import { readVariantName } from '../../src/base/variant-name';
import type { Numbers } from '../shared/export';
import { element } from '../shared/dom';
import { seedsOf } from '../shared/seeds';
import { AVERAGE, type Comparison, resultLines } from './model';

const SOURCES = { run: 'Runs', experiment: 'Experiment files', plan: 'Plans' } as const;

type Cell = string | Node;

/** A table in a box that scrolls, which the keyboard reaches. The first cell of each row heads it. */
function table(
  name: string,
  kind: 'texts' | 'numbers',
  header: readonly Cell[],
  ...bodies: HTMLElement[]
): HTMLElement {
  const head = element('tr', {}, ...header.map((cell) => element('th', { scope: 'col' }, cell)));
  const made = element('table', { class: kind }, element('caption', {}, name), element('thead', {}, head), ...bodies);
  return element('div', { class: 'table-box', tabindex: 0, role: 'region', 'aria-label': name }, made);
}

function row(first: Cell, cells: readonly Cell[]): HTMLElement {
  return element('tr', {}, element('th', { scope: 'row' }, first), ...cells.map((cell) => element('td', {}, cell)));
}

/** The heading of a run's column: its letter, and its title on hover. */
function runHeadings({ runs }: Comparison): Cell[] {
  return runs.map(({ title }, i) => element('span', { title }, letterOf(i)));
}

/** Which runs are compared. */
export function runsTable(comparison: Comparison): HTMLElement {
  const rows = comparison.runs.map((run, i) =>
    row(letterOf(i), [i ? run.title : `${run.title} (baseline)`, run.experiment, run.state, seedsOf(run) || '-']),
  );
  const header = ['letter', 'run', 'experiment', 'state', 'seed'];
  return table('Further down each run is called by its letter', 'texts', header, element('tbody', {}, ...rows));
}

/** What differs in the runs' origin, files and plans, and nothing else. */
export function differencesTable(comparison: Comparison): HTMLElement {
  const { runs, differences } = comparison;
  if (!differences.length) return element('p', {}, 'No difference in origin, experiment file and plan.');
  const bodies = Object.entries(SOURCES).map(([from, heading]) => {
    const rows = differences
      .filter((difference) => difference.from === from)
      .map(({ key, values }) =>
        row(
          key,
          values.map((value) => value ?? '-'),
        ),
      );
    const attributes = { scope: 'rowgroup', colspan: runs.length + 1, class: 'group' };
    const title = element('tr', {}, element('th', attributes, heading));
    return element('tbody', {}, ...(rows.length ? [title, ...rows] : []));
  });
  return table('What is the same in all runs is left out', 'texts', ['key', ...runHeadings(comparison)], ...bodies);
}

/** The last held-out perplexity of every stage in every run, with the difference to the first run. */
export function resultsTable(comparison: Comparison, withDomains: boolean): HTMLElement {
  const rows = resultLines(comparison, withDomains).map(({ stage, domain, values }) => {
    const cells = values.map((value, i) => resultCell(value, i ? (values[0] ?? null) : null));
    return row(domain === AVERAGE ? stage : element('span', { class: 'domain' }, `${stage}, ${domain}`), cells);
  });
  const hasSeeds = comparison.runs.some(({ stages }) => stages.some(({ name }) => readVariantName(name).seed !== null));
  const overSeeds = hasSeeds ? '; over seeds mean ± standard deviation (seeds)' : '';
  const name = `Held-out perplexity, lower is better; differences to ${letterOf(0)}${overSeeds}`;
  return table(name, 'numbers', ['stage', ...runHeadings(comparison)], element('tbody', {}, ...rows));
}

function resultCell(value: Summary | null, baseline: Summary | null): Cell {
  if (value === null) return '-';
  const text = value.n > 1 ? formatSummary(value, formatMeasure) : formatMeasure(value.mean);
  if (baseline === null) return text;
  const difference = element('span', { class: 'small' }, formatDifference(value.mean, baseline.mean, formatMeasure));
  return element('span', {}, `${text} `, difference);
}

/** The results for a file. */
export function resultNumbers(comparison: Comparison, withDomains: boolean): Numbers {
  const { runs } = comparison;
  const rows = resultLines(comparison, withDomains).map(({ stage, domain, values }) => [
    ...[stage, domain],
    ...values.map((value) => value?.mean ?? null),
  ]);
  return { header: ['stage', 'domain', ...runs.map(({ title }, i) => `${letterOf(i)} ${title}`)], rows };
}
