import { formatMeasure } from '../base/format';
import { columnNames, computingColumns, isAdapterRouter, ROUTER_KINDS, ROUTER_WORDS } from '../base/router-words';
import type { Routing } from '../events/event';
import type { RoutingPoint } from '../store/curves';
import type { ReportData, StageReport } from './collect';
import { details, html, type Html, htmlTable } from './html';
import { groups, spread } from '../base/curves';

/** Points of a small line, and rows of its table for each layer. */
const LINE_POINTS = 60;
const TABLE_STEPS = 20;
/** The darkest cell stands for this many times the fair load, or more. */
const DARKEST = 4;
const SHADES = 10;

/** What the routers of every mixture stage do: load by layer and expert in the last evaluation, and load over the steps. */
export function routerSection({ stages, results }: ReportData): Html {
  const mixtures = stages.filter(({ routing }) => routing.length);
  if (!mixtures.length) return html`<p>No stage of this run has routers.</p>`;
  return html`<p>
      A fair load is 1 over the number of experts. Shades go from none at 0 to the darkest at ${DARKEST} times the fair
      load or more; hatched experts are dead: no token reached them, and those that are struck out were pruned; those
      marked “no FFN” are zero-computation experts. Under each load, in small print, is the mean gate. MaxVio is the
      largest load over the fair load, minus 1. Entropy is that of a token’s gates, in nats. Kept is the share of the
      choices that were the same in the evaluation before.
    </p>
    ${mixtures.map((stage) => stageRouters(stage, results.domains))}`;
}

function stageRouters(stage: StageReport, domains: readonly string[]): Html {
  const evaluated = stage.routing.filter(({ domain }) => domain !== null);
  const last = evaluated
    .filter(({ step }) => step === evaluated.at(-1)?.step)
    .sort((a, b) => domains.indexOf(a.domain!) - domains.indexOf(b.domain!));
  const training = stage.routing.filter(({ domain }) => domain === null);
  const blocks = ROUTER_KINDS.flatMap((router) => {
    const has = stage.routing.some(({ routers }) => routers.some((one) => one.router === router));
    if (!has) return [];
    const maps = last.map((point) => heatMap(stage, point, router));
    const when = last.length ? `held-out text at step ${last[0]!.step}` : 'no evaluation yet';
    return [
      html`<h4>${ROUTER_WORDS[router].title} <span class="small">load: ${ROUTER_WORDS[router].load}; ${when}</span></h4>
        <div class="maps">${maps}</div>
        ${pairTable(stage, last, router)} ${overTime(stage, training, router)}`,
    ];
  });
  return html`<section>
    <h3>${stage.name}</h3>
    ${blocks}
  </section>`;
}

/** A row a layer, a column an expert; dead experts, MaxVio and entropy at its end. */
function heatMap(stage: StageReport, { domain, routers }: RoutingPoint, router: Routing['router']): Html {
  const layers = routers.filter((one) => one.router === router);
  const experts = layers[0]?.load.length ?? 0;
  const computing = computingColumns(router, experts, stage.zeroComputation);
  const head = columnNames(router, stage.experts, experts).map((name, i) =>
    i >= computing
      ? html`<th scope="col">${name}<br /><span class="small">no FFN</span></th>`
      : html`<th scope="col">${name}</th>`,
  );
  const isMixed = layers.some(({ ffnPerToken }) => ffnPerToken !== undefined);
  const rows = layers.map((layer) => {
    const cells = layer.load.map((load, expert) => {
      const gate = layer.meanGate[expert] ?? 0;
      if (layer.removed?.includes(expert)) return prunedCell(load, gate);
      return heatCell(load, gate, { experts, isDead: load === 0 && !isAdapterRouter(router) });
    });
    const dead = isAdapterRouter(router)
      ? html`<td>-</td>`
      : layer.deadExperts
        ? html`<td class="bad">${layer.deadExperts}</td>`
        : html`<td>0</td>`;
    return html`<tr>
      <th scope="row">${layer.layer}</th>
      ${cells}${dead}
      <td>${layer.maxViolation.toFixed(2)}</td>
      <td>${layer.entropy.toFixed(2)}</td>
      <td>${layer.saturation?.toFixed(2) ?? '-'}</td>
      ${isMixed ? html`<td>${layer.ffnPerToken?.toFixed(2) ?? '-'}</td>` : html``}
    </tr>`;
  });
  const caption = domain ?? '';
  const most = Math.log(experts).toFixed(2);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${ROUTER_WORDS[router].title}, ${caption}">
    <table class="heat">
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          <th scope="col">layer</th>
          ${head}
          <th scope="col">dead</th>
          <th scope="col">MaxVio</th>
          <th scope="col">entropy<br /><span class="small">of ${most}</span></th>
          <th scope="col">kept</th>
          ${isMixed ? html`<th scope="col">FFNs<br /><span class="small">a token</span></th>` : html``}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

/** Which experts tokens have together: a row a domain and layer, a column a pair. */
function pairTable(stage: StageReport, points: readonly RoutingPoint[], router: Routing['router']): Html {
  const rows = points.flatMap(({ domain, routers }) =>
    routers.flatMap(({ router: kind, layer, coActivation }) =>
      kind === router && coActivation
        ? [[`${domain}, layer ${layer}`, ...coActivation.map((share) => share.toFixed(3))]]
        : [],
    ),
  );
  const experts = points[0]?.routers.find((one) => one.router === router)?.load.length ?? 0;
  if (!rows.length) return html``;
  const names = columnNames(router, stage.experts, experts);
  const pairs = names.flatMap((one, i) => names.slice(i + 1).map((other) => `${one} + ${other}`));
  const what = 'share of the tokens sent to both, or where all are used, mean product of both gates';
  const caption = `${ROUTER_WORDS[router].title} of ${stage.name}: experts together (${what})`;
  return details('Experts together', htmlTable(caption, ['domain', ...pairs], rows));
}

/** An expert that was removed. Tokens may still be sent to it. */
function prunedCell(load: number, gate: number): Html {
  return html`<td title="pruned"><s>${load.toFixed(2)}</s><br /><span class="gate">${gate.toFixed(2)}</span></td>`;
}

function heatCell(load: number, gate: number, { experts, isDead }: { experts: number; isDead: boolean }): Html {
  const shade = Math.min(SHADES, Math.round((load * experts * SHADES) / DARKEST));
  return html`<td class="${isDead ? 'dead' : `h${shade}`}">
    ${load.toFixed(2)}<br /><span class="gate">${gate.toFixed(2)}</span>
  </td>`;
}

/** The load of each layer's experts, averaged over neighbouring steps so that a line can be seen: [layer][point][expert]. */
function meanLoads(
  points: readonly RoutingPoint[][],
  router: Routing['router'],
  layers: readonly number[],
): number[][][] {
  return layers.map((layer) =>
    points.map((group) => {
      const loads = group.flatMap(({ routers }) =>
        routers.filter((one) => one.router === router && one.layer === layer),
      );
      const experts = loads[0]?.load.length ?? 0;
      return Array.from(
        { length: experts },
        (_, i) => loads.reduce((sum, { load }) => sum + load[i]!, 0) / loads.length,
      );
    }),
  );
}

/** Small lines, one panel a layer and one line an expert, over the training steps. */
function overTime(stage: StageReport, points: RoutingPoint[], router: Routing['router']): Html {
  if (points.length < 2) return html``;
  const parts = groups(points, LINE_POINTS);
  const layers = [...new Set(points[0]!.routers.flatMap((one) => (one.router === router ? [one.layer] : [])))];
  const loads = meanLoads(parts, router, layers);
  const experts = loads[0]?.[0]?.length ?? 0;
  const top = Math.min(1, Math.ceil(10 * Math.max(2 / experts, ...loads.flat(2))) / 10);
  const steps = parts.map((part) => part[0]!.step);
  const panels = layers.map((layer, i) => panel(`layer ${layer}`, steps, loads[i]!, experts, top));
  const names = columnNames(router, stage.experts, experts).map((name, i) => html`<li>${swatch(i)} ${name}</li>`);
  const size = Math.round(points.length / parts.length);
  const mean = size > 1 ? `each point the mean of about ${size} steps; ` : '';
  return html`<h5>
      Load in training batches, steps ${points[0]!.step} to ${points.at(-1)!.step}, from 0 to ${top}
      <span class="small">${mean}dotted: fair</span>
    </h5>
    <ul class="key">
      ${names}
    </ul>
    <div class="panels">${panels}</div>
    ${loadTable(stage, points, router, experts)}`;
}

const PANEL = { width: 200, height: 64 };

function panel(title: string, steps: readonly number[], loads: number[][], experts: number, top: number): Html {
  const { width, height } = PANEL;
  const first = steps[0]!;
  const scale = width / Math.max(1, steps.at(-1)! - first);
  const y = (load: number): string => (height * (1 - load / top)).toFixed(1);
  const lines = Array.from({ length: experts }, (_, expert) => {
    const points = steps.map((step, i) => `${((step - first) * scale).toFixed(1)},${y(loads[i]![expert] ?? 0)}`);
    return html`<polyline class="line c${expert % 8}" points="${points.join(' ')}" />`;
  });
  const fair = y(1 / experts);
  return html`<figure class="panel">
    <svg
      viewBox="0 0 ${width} ${height}"
      preserveAspectRatio="none"
      role="img"
      aria-label="${title}: load of ${experts} experts; numbers in the table below"
    >
      <line class="fair" x1="0" x2="${width}" y1="${fair}" y2="${fair}" />
      ${lines}
    </svg>
    <figcaption>${title}</figcaption>
  </figure>`;
}

function swatch(color: number): Html {
  return html`<svg class="swatch" viewBox="0 0 24 8" aria-hidden="true">
    <line class="line c${color % 8}" x1="0" x2="24" y1="4" y2="4" />
  </svg>`;
}

function loadTable(stage: StageReport, points: RoutingPoint[], router: Routing['router'], experts: number): Html {
  const rows = spread(points, TABLE_STEPS).flatMap(({ step, routers }) =>
    routers
      .filter((one) => one.router === router)
      .map(({ layer, load, deadExperts, maxViolation, entropy }) => [
        String(step),
        String(layer),
        ...load.map((share) => share.toFixed(3)),
        String(deadExperts),
        ...[maxViolation, entropy].map(formatMeasure),
      ]),
  );
  const header = ['step', 'layer', ...columnNames(router, stage.experts, experts), 'dead', 'MaxVio', 'entropy'];
  const part = points.length > TABLE_STEPS ? ` (${TABLE_STEPS} of ${points.length} steps)` : '';
  return details(
    'Numbers',
    htmlTable(`${ROUTER_WORDS[router].title} of ${stage.name} in training${part}`, header, rows),
  );
}
