import type { Change, Model, Place, Token } from '../../src/messages/explorer';
import { element, hiddenText } from '../shared/dom';
import { type Palette, swatch } from './expert-colors';
import { areAllChosen, type ChangeKind, layersOf, loadsOf, stateOf, type View } from './routing';
import { loadCell } from './load-cell';

/** What zero-computation experts do, in a word. */
const KINDS = { ffn: '', constant: 'constant', copy: 'copy', zero: 'zero' } as const;

export interface LegendState {
  model: Model;
  tokens: readonly Token[];
  view: View;
  palette: Palette;
  filter: ReadonlySet<number> | undefined;
  /** What is changed of the routing. */
  change: Change;
}

export interface LegendActions {
  filter(expert: number): void;
  toggle(kind: ChangeKind, expert: number): void;
}

/** The experts of a model with their loads: a press on a name shows its tokens only, `off` and `force` change the routing. */
export class ExpertLegend {
  readonly root = element('div', { class: 'experts' });
  private drawn = '';

  constructor(private readonly actions: LegendActions) {}

  draw(state: LegendState): void {
    const { model, view, tokens, change } = state;
    const text = JSON.stringify([model, view, tokens.length, change, [...(state.filter ?? ['all'])], state.palette]);
    if (text === this.drawn) return;
    this.drawn = text;
    const focused = this.focusedKey();
    const loads = loadsOf(tokens, view, model.ffnExperts.length);
    const rows = model.ffnExperts.map((_, expert) => this.row(state, expert, loads[expert]!));
    const measure = areAllChosen(tokens, model.ffnExperts.length) ? 'share of the gates' : 'load';
    const where = view === 'all' ? 'all layers' : `layer ${view}`;
    const heads = ['expert', measure, `change in ${where}`];
    const head = element('tr', {}, ...heads.map((title) => element('th', { scope: 'col' }, title)));
    this.root.replaceChildren(element('table', {}, element('thead', {}, head), element('tbody', {}, ...rows)));
    if (focused) this.root.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
  }

  private focusedKey(): string | undefined {
    const active = document.activeElement;
    return active instanceof HTMLElement && this.root.contains(active) ? active.dataset.key : undefined;
  }

  private row(state: LegendState, expert: number, load: number): HTMLElement {
    const { model } = state;
    const cells = [
      element('th', { scope: 'row' }, this.nameButton(state, expert)),
      loadCell(load, expert, state.palette),
    ];
    cells.push(element('td', { class: 'changes' }, ...this.toggles(state, expert)));
    const isGone = isRemoved(model.removed, expert, layersOf(model, state.view, state.tokens));
    return element('tr', { class: isGone && 'removed' }, ...cells);
  }

  private nameButton({ model, palette, filter }: LegendState, expert: number): HTMLElement {
    const { name, kind } = model.ffnExperts[expert]!;
    const isPressed = filter?.has(expert) ?? false;
    const parts = [swatch(palette, expert), element('span', { class: 'name' }, name)];
    if (KINDS[kind] && !name.startsWith(kind)) parts.push(element('span', { class: 'small' }, ` ${KINDS[kind]}`));
    const made = element('button', { type: 'button', 'aria-pressed': String(isPressed) }, ...parts);
    made.title = isPressed ? `Show all tokens` : `Show the tokens of ${name} only`;
    made.dataset.key = `filter-${expert}`;
    made.addEventListener('click', () => this.actions.filter(expert));
    return made;
  }

  private toggles({ model, view, tokens, change }: LegendState, expert: number): HTMLElement[] {
    const layers = layersOf(model, view, tokens);
    const { name } = model.ffnExperts[expert]!;
    if (isRemoved(model.removed, expert, layers)) return [element('span', { class: 'small' }, 'pruned')];
    return (['off', 'force'] as const).map((kind) => {
      const isOn = stateOf(change, kind, expert, layers, model.removed);
      const pressed = { all: 'true', some: 'mixed', none: 'false' }[isOn];
      const made = element('button', { type: 'button', 'aria-pressed': pressed }, kind, hiddenText(` ${name}`));
      made.title =
        kind === 'off' ? `No token is sent to ${name}` : `Every token is sent to ${name} alone, with a gate of 1`;
      made.dataset.key = `${kind}-${expert}`;
      made.addEventListener('click', () => this.actions.toggle(kind, expert));
      return made;
    });
  }
}

/** Whether an expert was removed from all of these layers. */
function isRemoved(removed: readonly Place[], expert: number, layers: readonly number[]): boolean {
  const gone = layers.filter((layer) => removed.some((place) => place.layer === layer && place.expert === expert));
  return layers.length > 0 && gone.length === layers.length;
}
