import { formatMeasure } from '../../src/base/format';
import { ROUTER_WORDS, type RouterKind } from '../../src/base/router-words';
import type { Router, RoutingPoint } from '../../src/messages/contract';
import type { Series } from '../shared/series';
import { dropdown } from '../shared/controls';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { seriesOf, type SteppedCurve } from '../shared/join-curves';
import type { StageData } from '../shared/stage-data';
import { xAtSteps } from '../shared/x-axis';
import type { Choices } from './choices';
import { chosenMixture, dataOf, expertsOf, findRouter, groupText, kindsOf, layersOf } from './group-routing';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';
import { update } from './router-load';
import type { StageGroup } from './stage-groups';

/** What one router did over the steps. */
type Pick = (router: Router) => number;

/** A stage of a group, with what its routers did in training batches. */
interface Member {
  data: StageData;
  points: RoutingPoint[];
}

/** Which routers the charts are of, and the layer of which each expert is shown. */
interface Shown {
  kind: RouterKind;
  layers: number[];
  layer: number;
}

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
    const group = chosenMixture(page);
    this.root.hidden = !group;
    if (!group) return;
    const data = dataOf(page, group);
    const members = data.map((one): Member => ({ data: one, points: one.routing(null) }));
    const routers = members.flatMap(({ points }) => points[0]?.routers ?? []);
    const { kinds, kind } = kindsOf(routers, page.choices);
    const { layers, layer } = layersOf(routers, kind, page.choices);
    update(
      this.router,
      kinds.map((value) => ({ value, label: ROUTER_WORDS[value].title })),
      kind,
    );
    update(
      this.layer,
      layers.map((one) => ({ value: String(one), label: String(one) })),
      String(layer),
    );
    const { title, load } = ROUTER_WORDS[kind];
    this.caption.textContent = layers.length
      ? `${title} of ${groupText(group)} in training batches. Load: ${load}. Utilization is load times the number of experts. MaxVio is the largest load over the fair load, minus 1. Entropy is that of a token’s gates, in nats.`
      : `None of the training batches of ${group.label} is known.`;
    this.figures.draw(layers.length ? this.charts(page, group, members, { kind, layers, layer }) : []);
  }

  private charts(page: Page, group: StageGroup, members: Member[], shown: Shown): FigureContent[] {
    const { kind, layers, layer } = shown;
    const open = (): void => openStage(this.actions, page.run, group.label);
    const options = { ...chartOptions(page, formatMeasure), isLogY: false, open };
    const line = (label: string, color: number, of: number, pick: Pick): Series[] =>
      curves(page, members, { label, color, kind, layer: of, pick });
    const known = members.flatMap(({ points }) => points[0]?.routers ?? []);
    const count = findRouter(known, kind, layer)?.load.length ?? 0;
    const experts = expertsOf(group, kind, count).flatMap((name, i) =>
      line(name, i, layer, ({ load }) => (load[i] ?? NaN) * load.length),
    );
    const perLayer = (pick: Pick): Series[] => layers.flatMap((of, i) => line(`layer ${of}`, i, of, pick));
    const detail = `${groupText(group)}, ${ROUTER_WORDS[kind].title}`;
    return [
      { id: 'experts', title: `Utilization in layer ${layer}`, detail, series: experts, options },
      { id: 'violation', title: 'MaxVio', detail, series: perLayer(({ maxViolation }) => maxViolation), options },
      { id: 'entropy', title: 'Entropy', detail, series: perLayer(({ entropy }) => entropy), options },
      { id: 'dead', title: 'Dead experts', detail, series: perLayer(({ deadExperts }) => deadExperts), options },
    ];
  }
}

function curves(
  { choices }: Page,
  members: readonly Member[],
  { label, color, kind, layer, pick }: { label: string; color: number; kind: RouterKind; layer: number; pick: Pick },
): Series[] {
  const found = members.flatMap(({ data, points }): SteppedCurve[] => {
    if (!points.length) return [];
    const y = Float64Array.from(points, ({ routers }) => {
      const router = findRouter(routers, kind, layer);
      return router ? pick(router) : NaN;
    });
    const steps = points.map(({ step }) => step);
    return [{ steps, x: xAtSteps(data, steps, choices.xAxis), y }];
  });
  return seriesOf(found, { label, color });
}
