import { formatMeasure } from '../../src/base/format';
import { ROUTER_KINDS, ROUTER_WORDS, type RouterKind } from '../../src/base/router-words';
import type { Router, RoutingPoint, Stage } from '../../src/messages/contract';
import type { Series } from '../shared/series';
import { dropdown } from '../shared/controls';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { xAtSteps } from '../shared/x-axis';
import type { Choices } from './choices';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';
import { mixtures, update } from './router-load';
import { expertNames } from './words';

/** What one router did over the steps. */
type Pick = (router: Router) => number;

/** How the experts of one mixture are used over the training batches: each expert's utilization in one layer, and each layer's balance. */
export class UtilizationSection implements Section {
  readonly root = element('section', { 'aria-labelledby': 'utilization-heading', hidden: true });
  private readonly figures: Figures;
  private readonly router;
  private readonly layer;
  private readonly caption = element('p', { class: 'small' });

  constructor(
    private readonly actions: Actions,
    choices: Choices,
  ) {
    const { choose, send } = actions;
    this.figures = new Figures(send);
    this.router = dropdown('router', [], choices.router, (value) => choose({ router: value as Choices['router'] }));
    this.layer = dropdown('layer', [], String(choices.layer), (value) => choose({ layer: Number(value) }));
    const tools = element('div', { class: 'tools' }, this.router.root, this.layer.root);
    const heading = element('h2', { id: 'utilization-heading' }, 'Expert utilization');
    this.root.append(heading, tools, this.caption, this.figures.root);
  }

  draw(page: Page): void {
    const stages = mixtures(page);
    const stage = stages.find(({ name }) => name === page.choices.mixture) ?? stages[0];
    this.root.hidden = !stage;
    if (!stage) return;
    const points = page.points.of(page.run.id, stage.name).routing(null);
    const kinds = ROUTER_KINDS.filter((kind) =>
      points.some(({ routers }) => routers.some(({ router }) => router === kind)),
    );
    const kind = kinds.includes(page.choices.router) ? page.choices.router : (kinds[0] ?? 'ffn');
    update(
      this.router,
      kinds.map((value) => ({ value, label: ROUTER_WORDS[value].title })),
      kind,
    );
    const layers = [
      ...new Set(
        points.flatMap(({ routers }) => routers.filter((one) => one.router === kind).map(({ layer }) => layer)),
      ),
    ];
    const layer = layers.includes(page.choices.layer) ? page.choices.layer : (layers[0] ?? 0);
    update(
      this.layer,
      layers.map((one) => ({ value: String(one), label: String(one) })),
      String(layer),
    );
    const { title, load } = ROUTER_WORDS[kind];
    this.caption.textContent = layers.length
      ? `${title} of ${stage.name} in training batches. Load: ${load}. Utilization is load times the number of experts. MaxVio is the largest load over the fair load, minus 1. Entropy is that of a token’s gates, in nats.`
      : `None of the training batches of ${stage.name} is known.`;
    this.figures.draw(layers.length ? this.charts(page, stage, points, kind, layers, layer) : []);
  }

  private charts(
    page: Page,
    stage: Stage,
    points: RoutingPoint[],
    kind: RouterKind,
    layers: number[],
    layer: number,
  ): FigureContent[] {
    const open = (): void => openStage(this.actions, page.run, stage.name);
    const options = { ...chartOptions(page, formatMeasure), isLogY: false, open };
    const line = (label: string, color: number, of: number, pick: Pick): Series =>
      curve(page, stage, points, { label, color, kind, layer: of, pick });
    const count = points[0]!.routers.find((one) => one.router === kind)?.load.length ?? 0;
    const experts = expertNames(stage.experts, count).map((name, i) =>
      line(name, i, layer, ({ load }) => (load[i] ?? NaN) * load.length),
    );
    const perLayer = (pick: Pick): Series[] => layers.map((of, i) => line(`layer ${of}`, i, of, pick));
    const detail = `${stage.name}, ${ROUTER_WORDS[kind].title}`;
    return [
      { id: 'experts', title: `Utilization in layer ${layer}`, detail, series: experts, options },
      { id: 'violation', title: 'MaxVio', detail, series: perLayer(({ maxViolation }) => maxViolation), options },
      { id: 'entropy', title: 'Entropy', detail, series: perLayer(({ entropy }) => entropy), options },
      { id: 'dead', title: 'Dead experts', detail, series: perLayer(({ deadExperts }) => deadExperts), options },
    ];
  }
}

function curve(
  { run, points: store, choices }: Page,
  stage: Stage,
  points: readonly RoutingPoint[],
  {
    label,
    color,
    kind,
    layer,
    pick,
  }: { label: string; color: number; kind: Router['router']; layer: number; pick: Pick },
): Series {
  const y = Float64Array.from(points, ({ routers }) => {
    const router = routers.find((one) => one.router === kind && one.layer === layer);
    return router ? pick(router) : NaN;
  });
  const data = store.of(run.id, stage.name);
  const steps = points.map(({ step }) => step);
  return { label, color, x: xAtSteps(data, steps, choices.xAxis), y };
}
