import { formatCount, formatDuration, formatMeasure } from '../../src/base/format';
import { readVariantName } from '../../src/base/variant-name';
import type { Stage } from '../../src/messages/contract';
import { button } from '../shared/controls';
import { element, setAttributes, svgElement } from '../shared/dom';
import { placeStages, type Place } from './graph-layout';
import { type Actions, openStage, type Page, type Section } from './page';
import { groupsOf, joinedStage, type StageGroup } from './stage-groups';
import { STATE_SIGNS, stateWord } from './words';

/** Pixels. What sets variants apart takes a line of its own. */
const NODE = { width: 168, height: 52, variantHeight: 70 };
const GAP = { x: 56, y: 14 };

/** The stages as a graph; the chosen one's facts stand below it. */
export class StageGraph implements Section {
  readonly root = element('section', { 'aria-labelledby': 'stages-heading' });
  private readonly canvas = element('div', { class: 'graph' });
  private readonly facts = element('div', { class: 'tools', 'aria-live': 'polite' });
  private readonly nodes = new Map<string, HTMLButtonElement>();
  private shape = '';
  private nodeHeight = NODE.height;

  constructor(private readonly actions: Actions) {
    const heading = element('h2', { id: 'stages-heading' }, 'Stages');
    // The graph scrolls in its own box, which the keyboard must reach.
    const scroll = element(
      'div',
      { class: 'graph-scroll', tabindex: 0, role: 'group', 'aria-label': 'Graph of stages' },
      this.canvas,
    );
    this.root.append(heading, scroll, this.facts);
  }

  draw({ run, choices }: Page): void {
    const groups = groupsOf(run.stages, choices.joinsSeeds);
    const stages = choices.joinsSeeds ? groups.map(joinedStage) : groups.flatMap((group) => group.stages);
    const isChosen = ({ label, stages: members }: StageGroup): boolean =>
      label === choices.stage || members.some(({ name }) => name === choices.stage);
    const shape = JSON.stringify(stages.map(({ name, parents }) => [name, parents]));
    if (shape !== this.shape) this.layOut(stages);
    this.shape = shape;
    stages.forEach((stage, i) => this.drawNode(stage, isChosen(groups[i]!)));
    const chosen = stages.find((_, i) => isChosen(groups[i]!));
    const text = chosen ? stageFacts(chosen) : 'Choose a stage for its facts.';
    if (this.facts.textContent?.startsWith(text)) return;
    this.facts.replaceChildren(element('span', {}, text));
    if (chosen) this.facts.append(button('Open in file', () => openStage(this.actions, run, chosen.name)));
  }

  private layOut(stages: readonly Stage[]): void {
    const places = placeStages(stages);
    this.nodeHeight = stages.some(({ name }) => variantText(name)) ? NODE.variantHeight : NODE.height;
    const width = Math.max(...places.map(({ column }) => column)) * (NODE.width + GAP.x) + NODE.width;
    const height = Math.max(...places.map(({ row }) => row)) * (this.nodeHeight + GAP.y) + this.nodeHeight;
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    this.nodes.clear();
    const nodes = places.map((place) => this.node(place));
    this.canvas.replaceChildren(arrows(places, { width, height, nodeHeight: this.nodeHeight }), ...nodes);
  }

  private node({ stage, column, row }: Place): HTMLElement {
    const made = element('button', { type: 'button', class: 'node' });
    const style = { left: `${column * (NODE.width + GAP.x)}px`, top: `${row * (this.nodeHeight + GAP.y)}px` };
    Object.assign(made.style, style, { width: `${NODE.width}px`, height: `${this.nodeHeight}px` });
    made.addEventListener('click', () => this.actions.choose({ stage: stage.name }));
    made.addEventListener('dblclick', () => this.facts.querySelector<HTMLElement>('vscode-button')?.click());
    this.nodes.set(stage.name, made);
    return made;
  }

  private drawNode(stage: Stage, isChosen: boolean): void {
    const node = this.nodes.get(stage.name)!;
    const small = nodeText(stage);
    const text = `${stage.name} ${small}`;
    const lines = [readVariantName(stage.name).stage, variantText(stage.name), small].filter(Boolean);
    const from = stage.parents.length ? `, from ${stage.parents.join(', ')}` : '';
    setAttributes(node, {
      'aria-pressed': String(isChosen),
      // Begins with the text that is seen: so can it be spoken to.
      'aria-label': `${lines.join(' ')}${from}`,
      title: text,
      'data-state': stage.state,
    });
    if (node.textContent === lines.join(' ')) return;
    const spans = lines.map((line, i) => element('span', { class: i ? 'node-state' : 'node-name' }, line));
    // With blanks between, so that they are not read as one word.
    node.replaceChildren(...spans.flatMap((span, i) => (i ? [' ', span] : [span])));
  }
}

/** What sets a variant apart: `seed=2,loadBalance=0.01`. */
function variantText(name: string): string {
  return name.slice(readVariantName(name).stage.length + 1);
}

function nodeText({ state, step, steps, average }: Stage): string {
  const part = state === 'running' && step !== null && steps ? ` ${Math.floor((100 * step) / steps)}%` : '';
  const result = average === null ? '' : `, ${formatMeasure(average)}`;
  return `${STATE_SIGNS[state]} ${stateWord(state)}${part}${result}`;
}

function stageFacts(stage: Stage): string {
  const { name, state, method, step, steps, secondsLeft, totalParameters: total, activeParameters: active } = stage;
  const perplexities = Object.entries(stage.perplexity).map(([domain, value]) => `${domain} ${formatMeasure(value)}`);
  const pooled = stage.pooledLoss === null ? '' : `; pooled loss ${formatMeasure(stage.pooledLoss)}`;
  const answers = Object.entries(stage.accuracy).map(([task, share]) => `${task} ${(100 * share).toFixed(1)} %`);
  const facts = [
    `${name}: ${stateWord(state)}`,
    method === 'train' ? undefined : method,
    step === null ? undefined : `step ${step}${steps === null ? '' : ` of ${steps}`}`,
    secondsLeft === null ? undefined : `${formatDuration(secondsLeft)} left`,
    total === null
      ? undefined
      : `${formatCount(total)} parameters${active === total || active === null ? '' : `, ${formatCount(active)} active`}`,
    stage.average === null
      ? undefined
      : `held-out perplexity ${perplexities.join(', ')}; average ${formatMeasure(stage.average)}${pooled}`,
    answers.length ? `right answers ${answers.join(', ')}` : undefined,
    stage.detail ?? undefined,
  ];
  return facts.filter((fact) => fact !== undefined).join(' · ');
}

/** A curved line from every parent to its child. The nodes say the same in words. */
function arrows(
  places: readonly Place[],
  { width, height, nodeHeight }: { width: number; height: number; nodeHeight: number },
): SVGElement {
  const byName = new Map(places.map((place) => [place.stage.name, place]));
  const middle = (row: number): number => row * (nodeHeight + GAP.y) + nodeHeight / 2;
  const lines = places.flatMap((child) =>
    child.stage.parents.flatMap((name) => {
      const parent = byName.get(name);
      if (!parent) return [];
      const x1 = parent.column * (NODE.width + GAP.x) + NODE.width;
      const x2 = child.column * (NODE.width + GAP.x) - 2;
      const [y1, y2] = [middle(parent.row), middle(child.row)];
      const bend = GAP.x / 2;
      const d = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
      return [svgElement('path', { d, 'marker-end': 'url(#arrow)' })];
    }),
  );
  const head = svgElement('path', { d: 'M0 0L6 3L0 6z', class: 'arrow-head' });
  const size = { markerWidth: 6, markerHeight: 6, refX: 5, refY: 3, orient: 'auto' };
  const marker = svgElement('marker', { id: 'arrow', ...size }, head);
  return svgElement('svg', { width, height, 'aria-hidden': 'true' }, svgElement('defs', {}, marker), ...lines);
}
