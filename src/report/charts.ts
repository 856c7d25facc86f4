import { formatCount, formatMeasure } from '../base/format';
import type { StepPoint } from '../store/curves';
import type { ReportData, StageReport } from './collect';
import { details, html, htmlTable, type Html } from './html';
import { smoothCurve, spread, thinCurve } from '../base/curves';

/** Points of one curve that are drawn; a longer one is thinned, its peaks kept. */
const MAXIMUM_POINTS = 1000;
/** Rows in a table of numbers. */
const MAXIMUM_ROWS = 100;

/** One curve of a chart, for media/report/client.js. */
export interface Series {
  label: string;
  /** One of the eight colours and dashes; `null` for the colour of text, drawn thick. */
  color: number | null;
  /** Thin and pale, behind the others. */
  faint: boolean;
  values: (number | null)[];
}

/** One chart, for media/report/client.js. The element `chart-<id>` holds it. */
export interface Chart {
  id: string;
  /** Tokens. */
  x: number[];
  series: Series[];
  /** Draw a mark at every point: few points, far apart. */
  marks: boolean;
}

export interface ChartSection {
  html: Html;
  charts: Chart[];
}

interface Curve {
  label: string;
  color: number | null;
  faint?: boolean;
  points: (readonly [x: number, y: number])[];
}

/** Held-out perplexity over tokens: one chart a stage with all domains, and one a domain with all stages. */
export function perplexitySection({ stages, results }: ReportData): ChartSection {
  const domains = results.domains;
  const evaluated = stages.filter(({ curves }) => curves.evaluations.length);
  const curve = (stage: StageReport, domain: string, label: string, color: number | null): Curve => ({
    label,
    color,
    points: stage.curves.evaluations.flatMap(({ tokens, average, perplexity }) => {
      const y = domain === 'average' ? average : perplexity[domain];
      return y === undefined ? [] : [[tokens, y] as const];
    }),
  });
  const average = { name: 'average', color: null };
  const lines = [...domains.map((name, color) => ({ name, color })), average];
  const byStage = evaluated.map((stage, i) => ({
    title: stage.name,
    chart: chart(
      `stage-${i}`,
      true,
      lines.map(({ name, color }) => curve(stage, name, name, color)),
    ),
    numbers: evaluationTable(stage, domains),
  }));
  const byDomain = lines.map(({ name }, i) => ({
    title: name,
    chart: chart(
      `domain-${i}`,
      true,
      evaluated.map((stage, color) => curve(stage, name, stage.name, color)),
    ),
  }));
  const content = html` <div class="tools" data-tools>
      <fieldset>
        <legend>One chart for each</legend>
        <label><input type="radio" name="by" value="by-stage" checked /> stage</label>
        <label><input type="radio" name="by" value="by-domain" /> domain</label>
      </fieldset>
      <label><input type="checkbox" data-log="perplexity" /> logarithmic perplexity</label>
    </div>
    <div class="charts" id="by-stage" data-group="perplexity">
      ${byStage.map(({ title, chart: { id }, numbers }) => figure(title, id, 'held-out perplexity', numbers))}
    </div>
    <div class="charts" id="by-domain" data-group="perplexity" hidden>
      ${byDomain.map(({ title, chart: { id } }) => figure(title, id, 'held-out perplexity', html`<p class="small">Numbers: in the tables of the charts by stage.</p>`))}
    </div>`;
  const charts = [...byStage, ...byDomain].map((panel) => panel.chart);
  return { html: evaluated.length ? content : html`<p>No stage has been evaluated yet.</p>`, charts };
}

/** Training loss over tokens: one chart a stage, raw behind smoothed. */
export function lossSection({ stages }: ReportData): ChartSection {
  const trained = stages.filter(({ curves }) => curves.steps.length);
  const panels = trained.map(({ name, curves: { steps } }, i) => {
    const losses = steps.map(({ languageModel }) => languageModel);
    const span = Math.max(2, Math.round(steps.length / 40));
    const smooth = smoothCurve(losses, span);
    const shown = thinCurve(losses, MAXIMUM_POINTS);
    const points = (values: ArrayLike<number>): Curve['points'] =>
      shown.map((at) => [steps[at]!.tokens, values[at]!] as const);
    const raw = { label: 'each step', color: 0, faint: true, points: points(losses) };
    const mean = { label: `running mean (${span} steps to each side)`, color: 0, points: points(smooth) };
    return { name, chart: chart(`loss-${i}`, false, [raw, mean]), numbers: lossTable(steps) };
  });
  const content = html` <div class="tools" data-tools>
      <label><input type="checkbox" data-log="loss" /> logarithmic loss</label>
    </div>
    <div class="charts" data-group="loss">
      ${panels.map(({ name, chart: { id }, numbers }) => figure(name, id, 'training loss', numbers))}
    </div>`;
  const charts = panels.map((panel) => panel.chart);
  return { html: trained.length ? content : html`<p>No stage has been trained in the runs that are here.</p>`, charts };
}

/** Puts curves on a common axis, as the chart library wants them. */
function chart(id: string, marks: boolean, curves: Curve[]): Chart {
  const x = [...new Set(curves.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const series = curves.map(({ label, color, faint = false, points }) => {
    const byX = new Map(points);
    return { label, color, faint, values: x.map((at) => byX.get(at) ?? null) };
  });
  return { id, x, series, marks };
}

function figure(title: string, id: string, what: string, numbers: Html): Html {
  return html`<figure>
    <figcaption>${title} <span class="small">${what} over tokens</span></figcaption>
    <div
      class="chart"
      id="chart-${id}"
      role="img"
      aria-label="${title}: ${what} over tokens; numbers in the table below"
    ></div>
    ${numbers}
  </figure>`;
}

function evaluationTable({ name, curves }: StageReport, domains: readonly string[]): Html {
  const points = spread(curves.evaluations, MAXIMUM_ROWS);
  const rows = points.map(({ step, tokens, average, perplexity }) => {
    const measures = domains.map((domain) => perplexity[domain]);
    return [step, formatCount(tokens), ...measures.map((value) => value ?? null), average].map(cell);
  });
  const header = ['step', 'tokens', ...domains, 'average'];
  const caption = `Held-out perplexity of ${name}${excerpt(points.length, curves.evaluations.length, 'evaluations')}`;
  return details('Numbers', htmlTable(caption, header, rows));
}

function lossTable(steps: readonly StepPoint[]): Html {
  const points = spread(steps, MAXIMUM_ROWS);
  const rows = points.map((point) => [
    String(point.step),
    formatCount(point.tokens),
    ...[point.languageModel, point.loss, point.loadBalance, point.routerZ, point.gradientNorm].map(formatMeasure),
    point.learningRate.toPrecision(3),
    formatCount(point.tokensPerSecond),
  ]);
  const losses = ['language model', 'whole loss', 'load balance', 'router z'];
  const header = ['step', 'tokens', ...losses, 'gradient norm', 'learning rate', 'tokens/s'];
  return details('Numbers', htmlTable(`Training${excerpt(points.length, steps.length, 'steps')}`, header, rows));
}

function cell(value: number | string | null, column: number): string {
  if (value === null) return '-';
  return typeof value === 'string' || column === 0 ? String(value) : formatMeasure(value);
}

function excerpt(shown: number, all: number, what: string): string {
  return shown < all ? ` (${shown} of ${all} ${what})` : '';
}
