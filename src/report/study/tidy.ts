import { type CsvCell, csvText } from '../../base/csv';
import { shortPaths } from '../../plan/variants';
import type { Study, StudyStage } from './study';

/** One number a row, in full, with all that says which one it is: run, stage, seed, swept values, domain, metric. */
export function studyCsv({ stages }: Pick<Study, 'stages'>): string {
  const paths = [...new Set(stages.flatMap(({ values }) => Object.keys(values)))];
  const short = shortPaths(paths);
  const rows = stages.flatMap((stage): CsvCell[][] => {
    const values = paths.map((path) => cell(stage.values[path]));
    return measures(stage).map((measure) => [stage.run, stage.stage, stage.state, stage.seed, ...values, ...measure]);
  });
  const header = ['run', 'stage', 'state', 'seed', ...paths.map((path) => short[path]!), 'domain', 'metric', 'value'];
  return csvText(header, rows);
}

function cell(value: unknown): CsvCell {
  if (value === undefined) return null;
  return typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value);
}

/** Domain, metric and value. A stage without results has its state and its parameters. */
function measures({ domains, tasks, average, tokens, flops, seconds, parameters }: StudyStage): CsvCell[][] {
  const whole = { averagePerplexity: average, tokens, flops, seconds };
  return [
    ...Object.entries(domains).flatMap(([domain, of]) => Object.entries(of).map((measure) => [domain, ...measure])),
    ...Object.entries(tasks).map(([task, { accuracy }]) => [null, `accuracy of ${task}`, accuracy]),
    ...Object.entries(whole).flatMap(([metric, value]) => (value === null ? [] : [[null, metric, value]])),
    [null, 'parameters', parameters.total],
    [null, 'activeParameters', parameters.active],
  ];
}
