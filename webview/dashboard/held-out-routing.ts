import { formatMeasure } from '../../src/base/format';
import { ROUTER_WORDS } from '../../src/base/router-words';
import type { Router } from '../../src/messages/contract';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { seriesOf, type SteppedCurve } from '../shared/join-curves';
import type { StageData } from '../shared/stage-data';
import { xAtSteps } from '../shared/x-axis';
import {
  chosenMixture,
  dataOf,
  expertsOf,
  findRouter,
  groupText,
  kindsOf,
  layersOf,
  pairMatrix,
  routersAt,
  routingSteps,
} from './group-routing';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';
import type { StageGroup } from './stage-groups';

const PAIRS =
  'share of the tokens that were sent to both experts, or where all are used, the mean product of both gates.';

/** Of one mixture, in the layer and kind of router that are looked at: which experts tokens have together, and how many choices stay. */
export class HeldOutRoutingSection implements Section {
  readonly root = element('section', { 'aria-labelledby': 'together-heading', hidden: true });
  private readonly figures: Figures;
  private readonly caption = element('p', { class: 'small' });
  private readonly matrices = element('div', { class: 'maps' });
  private shown = '';

  constructor(private readonly actions: Actions) {
    this.figures = new Figures(actions.send);
    const heading = element('h2', { id: 'together-heading' }, 'Experts together and choices kept');
    this.root.append(heading, this.caption, this.matrices, this.figures.root);
  }

  draw(page: Page): void {
    const place = placeOf(page);
    const matrices = place ? matricesOf(page, place) : [];
    const kept = place ? this.kept(page, place) : [];
    this.root.hidden = !matrices.length && !kept.length;
    if (!place || this.root.hidden) return;
    const { group, layer, kind } = place;
    const where = `${ROUTER_WORDS[kind].title} of layer ${layer} of ${groupText(group)}, on held-out text.`;
    this.caption.textContent = matrices.length ? `${where} In the last evaluation: ${PAIRS}` : where;
    const text = JSON.stringify(matrices);
    if (text !== this.shown) this.matrices.replaceChildren(...matrices.map((one) => matrixTable(one)));
    this.shown = text;
    this.figures.draw(kept);
  }

  private kept(page: Page, { group, data, kind, layer }: Place): FigureContent[] {
    const { run, choices } = page;
    const series = run.domains.flatMap((label, color) => {
      const curves = data.flatMap((one): SteppedCurve[] => {
        const points = one.routing(label).flatMap(({ step, routers }) => {
          const kept = findRouter(routers, kind, layer)?.saturation;
          return kept === undefined ? [] : [{ step, kept }];
        });
        const steps = points.map(({ step }) => step);
        const y = Float64Array.from(points, (point) => point.kept);
        return steps.length ? [{ steps, x: xAtSteps(one, steps, choices.xAxis), y }] : [];
      });
      return seriesOf(curves, { label, color, isMarked: true });
    });
    if (!series.length) return [];
    const open = (): void => openStage(this.actions, run, group.label);
    const options = { ...chartOptions(page, formatMeasure), isLogY: false, open };
    const detail = `share of the choices of experts that were the same in the evaluation before; ${group.label}, ${ROUTER_WORDS[kind].title}`;
    return [{ id: 'kept', title: `Choices kept in layer ${layer}`, detail, series, options }];
  }
}

/** What is looked at. */
interface Place {
  group: StageGroup;
  data: StageData[];
  kind: Router['router'];
  layer: number;
}

function placeOf(page: Page): Place | undefined {
  const group = chosenMixture(page);
  if (!group) return undefined;
  const data = dataOf(page, group);
  const routers = data.flatMap((one) => page.run.domains.flatMap((domain) => one.routing(domain)[0]?.routers ?? []));
  const { kind } = kindsOf(routers, page.choices);
  return { group, data, kind, layer: layersOf(routers, kind, page.choices).layer };
}

/** Shares of pairs of experts in one domain, shaded up to the largest of all domains. */
interface Matrix {
  domain: string;
  experts: string[];
  most: number;
  rows: (number | null)[][];
}

function matricesOf({ run }: Page, { group, data, kind, layer }: Place): Matrix[] {
  const found = run.domains.flatMap((domain) => {
    const routers = routersAt(data, domain, routingSteps(data, domain).at(-1));
    const router = findRouter(routers, kind, layer);
    return router?.coActivation ? [{ domain, router, pairs: router.coActivation }] : [];
  });
  const most = Math.max(...found.flatMap(({ pairs }) => pairs));
  return found.map(({ domain, router, pairs }) => {
    const experts = expertsOf(group, kind, router.load.length);
    return { domain, experts, most, rows: pairMatrix(pairs, experts.length) };
  });
}

function matrixTable({ domain, experts, most, rows }: Matrix): HTMLElement {
  const cell = (share: number | null): HTMLElement => {
    const made = element('td', {}, share === null ? '' : share.toFixed(3));
    made.style.setProperty('--share', String(most > 0 ? (share ?? 0) / most : 0));
    return made;
  };
  const lines = rows.map((shares, i) =>
    element('tr', {}, element('th', { scope: 'row' }, experts[i]!), ...shares.map(cell)),
  );
  const heads = experts.map((name) => element('th', { scope: 'col' }, name));
  const table = element(
    'table',
    { class: 'pairs' },
    element('caption', {}, domain),
    element('thead', {}, element('tr', {}, element('td'), ...heads)),
    element('tbody', {}, ...lines),
  );
  const name = `Experts together: ${domain}`;
  return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': name }, table);
}
