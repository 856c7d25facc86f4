import type { ComparedCurve, ComparisonMessage, Run } from '../../src/messages/contract';
import type { Series } from '../shared/series';
import type { Choices } from './choices';

/** What the page shows. */
export type Comparison = Extract<ComparisonMessage, { type: 'comparison' }>;

export const AVERAGE = 'average';

/** A letter a run, which stands for it in headings: A, B, C. */
export function letterOf(index: number): string {
  return String.fromCharCode(65 + index);
}

/** The names that some run has, in the order of the first run that has them. */
export function stagesOf({ runs }: Comparison): string[] {
  return [...new Set(runs.flatMap(({ stages }) => stages.map(({ name }) => name)))];
}

export function domainsOf({ runs }: Comparison): string[] {
  return [...new Set(runs.flatMap(({ domains }) => domains))];
}

/** The held-out perplexity of a stage in one domain, or on average: a curve for each run that has it. */
export function curvesOf(
  { runs, curves }: Comparison,
  stage: string,
  domain: string,
  xAxis: Choices['xAxis'],
): Series[] {
  return runs.flatMap((run, color) => {
    const curve = curves.find((one) => one.run === run.id && one.stage === stage);
    const points = (curve?.evaluations ?? []).flatMap((evaluation) => pointOf(evaluation, domain, xAxis));
    if (!points.length) return [];
    points.sort((a, b) => a[0] - b[0]);
    const x = Float64Array.from(points, ([value]) => value);
    const y = Float64Array.from(points, ([, value]) => value);
    return [{ label: `${letterOf(color)} ${run.title}`, color, isMarked: true, x, y }];
  });
}

/** Nothing where the domain was not evaluated, or the time is not known. */
function pointOf(
  evaluation: ComparedCurve['evaluations'][number],
  domain: string,
  xAxis: Choices['xAxis'],
): (readonly [x: number, y: number])[] {
  const x = xAxis === 'time' ? evaluation.seconds : evaluation[xAxis];
  const y = domain === AVERAGE ? evaluation.average : evaluation.perplexity[domain];
  return x === null || y === undefined ? [] : [[x, y]];
}

/** A line of the table of results. */
export interface ResultLine {
  stage: string;
  /** `average`, or a domain. */
  domain: string;
  /** A value a run, `null` where it has none. */
  values: (number | null)[];
}

/** The last results of all stages: their averages, and of every domain if wanted. */
export function resultLines(comparison: Comparison, withDomains: boolean): ResultLine[] {
  const domains = [AVERAGE, ...(withDomains ? domainsOf(comparison) : [])];
  const lines = stagesOf(comparison).flatMap((stage) =>
    domains.map((domain) => ({ stage, domain, values: comparison.runs.map((run) => resultOf(run, stage, domain)) })),
  );
  return lines.filter(({ domain, values }) => domain === AVERAGE || values.some((value) => value !== null));
}

function resultOf({ stages }: Run, stage: string, domain: string): number | null {
  const found = stages.find(({ name }) => name === stage);
  return (domain === AVERAGE ? found?.average : found?.perplexity[domain]) ?? null;
}
