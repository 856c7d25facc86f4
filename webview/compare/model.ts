import { letterOf } from '../../src/base/run-letter';
import { type Summary, summarize } from '../../src/base/statistics';
import { byStage, readVariantName } from '../../src/base/variant-name';
import type { ComparedCurve, ComparisonMessage, Run } from '../../src/messages/contract';
import { seriesOf, type SteppedCurve } from '../shared/join-curves';
import type { Series } from '../shared/series';
import type { Choices } from './choices';

/** What the page shows. */
export type Comparison = Extract<ComparisonMessage, { type: 'comparison' }>;

export const AVERAGE = 'average';

/** The stages that some run has, those that differ in their seed only as one, in the order of the first run that has them. */
export function stagesOf({ runs }: Comparison): string[] {
  const groups = new Set(runs.flatMap(({ stages }) => stages.map(({ name }) => groupOf(name))));
  return byStage([...groups], (group) => group);
}

function groupOf(name: string): string {
  return readVariantName(name).group;
}

export function domainsOf({ runs }: Comparison): string[] {
  return [...new Set(runs.flatMap(({ domains }) => domains))];
}

/** The held-out perplexity of a stage in one domain, or on average: a curve for each run that has it, over its seeds with a band. */
export function curvesOf(
  { runs, curves }: Comparison,
  stage: string,
  domain: string,
  xAxis: Choices['xAxis'],
): Series[] {
  return runs.flatMap((run, color) => {
    const own = curves.filter((one) => one.run === run.id && groupOf(one.stage) === stage);
    const drawn = own.flatMap(({ evaluations }) => curveOf(evaluations, domain, xAxis));
    return seriesOf(drawn, { label: `${letterOf(color)} ${run.title}`, color, isMarked: true });
  });
}

/** Nothing where the domain was not evaluated, or the time is not known. */
function curveOf(evaluations: ComparedCurve['evaluations'], domain: string, xAxis: Choices['xAxis']): SteppedCurve[] {
  const points = evaluations.flatMap((evaluation) => {
    const x = xAxis === 'time' ? evaluation.seconds : evaluation[xAxis];
    const y = domain === AVERAGE ? evaluation.average : evaluation.perplexity[domain];
    return x === null || y === undefined ? [] : [{ step: evaluation.step, x, y }];
  });
  if (!points.length) return [];
  points.sort((a, b) => a.x - b.x);
  return [
    {
      steps: points.map(({ step }) => step),
      x: Float64Array.from(points, ({ x }) => x),
      y: Float64Array.from(points, ({ y }) => y),
    },
  ];
}

/** A line of the table of results. */
export interface ResultLine {
  stage: string;
  /** `average`, or a domain. */
  domain: string;
  /** A value a run, over its seeds; `null` where it has none. */
  values: (Summary | null)[];
}

/** The last results of all stages: their averages, and of every domain if wanted. */
export function resultLines(comparison: Comparison, withDomains: boolean): ResultLine[] {
  const domains = [AVERAGE, ...(withDomains ? domainsOf(comparison) : [])];
  const lines = stagesOf(comparison).flatMap((stage) =>
    domains.map((domain) => ({ stage, domain, values: comparison.runs.map((run) => resultOf(run, stage, domain)) })),
  );
  return lines.filter(({ domain, values }) => domain === AVERAGE || values.some((value) => value !== null));
}

/** Of several seeds, those that are done count. */
function resultOf({ stages }: Run, stage: string, domain: string): Summary | null {
  const members = stages.filter(({ name }) => groupOf(name) === stage);
  const counted =
    members.length > 1 ? members.filter(({ state }) => state === 'finished' || state === 'cached') : members;
  return summarize(counted.flatMap((one) => (domain === AVERAGE ? one.average : one.perplexity[domain]) ?? []));
}
