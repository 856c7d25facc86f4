import {
  computingColumns,
  isAdapterRouter,
  ROUTER_KINDS,
  ROUTER_WORDS,
  type RouterKind,
} from '../../src/base/router-words';
import type { Router } from '../../src/messages/contract';
import { dropdown, slider } from '../shared/controls';
import { element, showExactly } from '../shared/dom';
import { onThemeChange } from '../shared/palette';
import type { Choices } from './choices';
import { chosenMixture, dataOf, expertsOf, groupText, mixtures, routersAt, routingSteps } from './group-routing';
import { DARKEST, HeatMap } from './heat-map';
import { type Actions, openStage, type Page, type Section } from './page';
import type { StageGroup } from './stage-groups';

const LEGEND = `Each cell is a utilization: load times the number of experts, 1 is fair. Shades go from none at 0 to the darkest at ${DARKEST} or more. Hatched experts are dead: no token reached them. Those that are struck out were pruned: they compute nothing. Behind a thick line stand zero-computation experts.`;

/** Heat maps of what the routers of one mixture do, at one step. */
export class RouterLoadSection implements Section {
  readonly root = element('section', { 'aria-labelledby': 'router-heading' });
  private readonly maps = new Map<string, HeatMap>();
  /** One row of maps for each kind of router. */
  private readonly holders = ROUTER_KINDS.map(() => element('div', { class: 'maps' }));
  private readonly legend = element('p', { class: 'small' }, LEGEND);
  private readonly nothing = element('p', {}, 'No stage of this run has routers whose load is known yet.');
  private readonly stage;
  private readonly text;
  private readonly time;
  private readonly tools: HTMLElement;
  private steps: readonly number[] = [];
  /** The step that is looked at; `undefined` follows the newest. */
  private step: number | undefined;
  private page: Page | undefined;

  constructor(
    private readonly actions: Actions,
    choices: Choices,
  ) {
    const { choose } = actions;
    this.stage = dropdown('mixture', [], choices.mixture, (mixture) => choose({ mixture }));
    this.text = dropdown('text', [], choices.text, (text) => choose({ text }));
    const words = (at: number): string => (this.steps.length ? `step ${this.steps[at] ?? ''}` : '');
    this.time = slider('time', { min: 0, max: 0, value: 0 }, words, (at) => this.goTo(at));
    this.tools = element('div', { class: 'tools' }, this.stage.root, this.text.root, this.time.root);
    const heading = element('h2', { id: 'router-heading' }, 'Router load');
    this.root.append(heading, this.nothing, this.tools, this.legend, ...this.holders);
    onThemeChange(() => this.page && this.draw(this.page));
  }

  draw(page: Page): void {
    this.page = page;
    const group = chosenMixture(page);
    this.nothing.hidden = group !== undefined;
    this.tools.hidden = this.legend.hidden = !group;
    if (!group) return this.holders.forEach((holder) => showExactly(holder, []));
    this.drawControls(page, group);
    const data = dataOf(page, group);
    const domains = shownTexts(page);
    this.setSteps(routingSteps(data, domains[0] ?? null));
    const step = this.steps[this.time.get()];
    const found = domains.map((domain) => ({ domain, step, routers: routersAt(data, domain, step) }));
    ROUTER_KINDS.forEach((router, i) => {
      const maps = found.flatMap((shown) => this.map(page, group, shown, router) ?? []);
      const width = Math.max(0, ...maps.map((map) => map.width));
      this.holders[i]!.style.setProperty('--map', `${width}px`);
      showExactly(
        this.holders[i]!,
        maps.map(({ root }) => root),
      );
    });
  }

  private drawControls(page: Page, group: StageGroup): void {
    const { run, choices } = page;
    update(
      this.stage,
      mixtures(page).map(({ label }) => ({ value: label, label })),
      group.label,
    );
    const texts = [
      { value: 'each', label: 'held-out text of each domain' },
      ...run.domains.map((domain) => ({ value: `domain:${domain}`, label: `held-out text of ${domain}` })),
      { value: 'training', label: 'training batches' },
    ];
    update(this.text, texts, choices.text);
  }

  /** Keeps the step that is looked at, while more come in. */
  private setSteps(steps: readonly number[]): void {
    this.steps = steps;
    const last = Math.max(0, steps.length - 1);
    const at = this.step === undefined ? last : steps.findLastIndex((step) => step <= this.step!);
    this.time.setMaximum(last);
    this.time.set(Math.max(0, at));
  }

  private goTo(at: number): void {
    this.step = at === this.steps.length - 1 ? undefined : this.steps[at];
    if (this.page) this.draw(this.page);
  }

  private map(
    { run }: Page,
    group: StageGroup,
    { domain, step, routers }: { domain: string | null; step: number | undefined; routers: readonly Router[] },
    router: RouterKind,
  ): HeatMap | undefined {
    const layers = routers.filter((one) => one.router === router);
    if (!layers.length) return undefined;
    const columns = layers[0]!.load.length;
    const key = JSON.stringify([group.label, router, domain]);
    const map = this.maps.get(key) ?? new HeatMap(this.actions.send, () => openStage(this.actions, run, group.label));
    this.maps.set(key, map);
    map.draw({
      title: `${ROUTER_WORDS[router].title}: ${domain ?? 'training batch'}`,
      detail: `${groupText(group)}, step ${step}`,
      experts: expertsOf(group, router, columns),
      computing: computingColumns(router, columns, group.stages[0]!.zeroComputation),
      isSoft: isAdapterRouter(router),
      layers,
    });
    return map;
  }
}

/** The domains whose maps are shown; `null` for training batches. */
function shownTexts({ run, choices }: Page): (string | null)[] {
  if (choices.text === 'training') return [null];
  const domain = run.domains.find((one) => choices.text === `domain:${one}`);
  return domain === undefined ? run.domains : [domain];
}

/** Gives a list its choices and value, if they are others: a list that is open must not close at every message. */
export function update(
  list: ReturnType<typeof dropdown>,
  choices: readonly { value: string; label: string }[],
  value: string,
): void {
  const text = JSON.stringify([choices, value]);
  if (list.root.dataset['shown'] === text) return;
  list.root.dataset['shown'] = text;
  list.set(value);
  list.setChoices(choices);
}
