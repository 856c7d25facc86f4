import type { Change, Token } from '../../src/messages/explorer';
import { button } from '../shared/controls';
import { element, showExactly } from '../shared/dom';
import type { Answer, Side } from './answers';
import { Details } from './details';
import { readPalette, type Palette } from './expert-colors';
import { ExpertLegend } from './legend';
import { Pane } from './pane';
import { type ChangeKind, describeChange, isChanged, layersOf, NO_CHANGE, toggled, type View } from './routing';

/** What is chosen of how results are looked at. */
export interface ResultsLook {
  view: View;
  showsNumbers: boolean;
  change: Change;
}

/** The answers in panes, with the legend of their experts and what is known of one token. */
export class Results {
  readonly panes = element('div', { class: 'panes' });
  readonly side = element('div');
  private readonly bySide = new Map<Side, { id: number; pane: Pane }>();
  private readonly legend: ExpertLegend;
  private readonly details = new Details();
  private readonly changeText = element('span');
  private readonly changeLine: HTMLElement;
  private palette: Palette | undefined;
  private answers: readonly Answer[] = [];
  private look: ResultsLook = { view: 'all', showsNumbers: false, change: NO_CHANGE };
  private drawnLook = '';
  private filter: ReadonlySet<number> | undefined;
  /** The token that has or had the focus, and whose it is. */
  private chosen: { side: Side; position: number } | undefined;

  constructor(private readonly actions: { change: (change: Change) => void; redraw: () => void }) {
    this.legend = new ExpertLegend({
      filter: (expert) => this.toggleFilter(expert),
      toggle: (kind, expert) => this.toggleChange(kind, expert),
    });
    const clear = button('Undo changes', () => actions.change(NO_CHANGE));
    this.changeLine = element('div', { class: 'changed' }, this.changeText, clear);
    const experts = element('section', { 'aria-label': 'Experts' }, element('h2', {}, 'Experts'), this.legend.root);
    experts.append(this.changeLine);
    this.side.append(experts, this.details.root);
  }

  /** Reads the theme's colours anew. */
  forgetColors(): void {
    this.palette = undefined;
    this.drawnLook = '';
  }

  get colors(): Palette {
    return (this.palette ??= readPalette());
  }

  draw(answers: readonly Answer[], look: ResultsLook, nameOf: (answer: Answer) => string): void {
    this.answers = answers;
    this.look = look;
    const text = JSON.stringify([look.view, look.showsNumbers, this.filter && [...this.filter]]);
    const isRestyled = text !== this.drawnLook;
    this.drawnLook = text;
    showExactly(
      this.panes,
      answers.map((answer) => this.drawPane(answer, nameOf(answer), isRestyled)),
    );
    this.drawLegend();
    this.showDetails(this.chosen);
  }

  private get shown(): Answer | undefined {
    return this.answers.find(({ side }) => side === 'shown');
  }

  private drawPane(answer: Answer, name: string, isRestyled: boolean): HTMLElement {
    const { side, id } = answer;
    let known = this.bySide.get(side);
    // Another answer gets a pane of its own, for its tokens are others.
    if (known?.id !== id) {
      known = { id, pane: new Pane(name, this.watcherOf(side)) };
      this.bySide.set(side, known);
    }
    const base = side === 'shown' ? undefined : this.shown;
    const { view, showsNumbers } = this.look;
    known.pane.draw(answer, base, { view, showsNumbers, palette: this.colors, filter: this.filter }, isRestyled);
    return known.pane.root;
  }

  private watcherOf(side: Side): { point(token: Token | undefined): void; choose(token: Token): void } {
    return {
      point: (token) => this.showDetails(token ? { side, position: token.position } : this.chosen),
      choose: ({ position }) => {
        this.chosen = { side, position };
        this.showDetails(this.chosen);
      },
    };
  }

  private showDetails(at: { side: Side; position: number } | undefined): void {
    const answer = at && this.answers.find(({ side }) => side === at.side);
    const token = answer?.tokens[at!.position];
    const other = at?.side === 'shown' ? undefined : this.shown?.tokens[at?.position ?? -1];
    const isOther = other && token && (other.id !== token.id || other.text !== token.text);
    const compared = isOther ? { name: this.shown!.asked.checkpoint.stage, token: other } : undefined;
    const detailed = answer?.model && token && { token, model: answer.model, other: compared };
    this.details.show(detailed, this.colors);
  }

  private drawLegend(): void {
    const { view, change } = this.look;
    const { model, tokens = [] } = this.shown ?? {};
    const isMixture = model !== undefined && model.ffnExperts.length > 0;
    this.legend.root.hidden = !isMixture;
    this.legend.root.parentElement!.hidden = !isMixture;
    this.changeLine.hidden = !isMixture || !isChanged(change);
    if (!isMixture) return;
    this.changeText.textContent = describeChange(change, model);
    this.legend.draw({ model, tokens, view, palette: this.colors, filter: this.filter, change });
  }

  private toggleFilter(expert: number): void {
    const next = new Set(this.filter ?? []);
    if (!next.delete(expert)) next.add(expert);
    this.filter = next.size ? next : undefined;
    this.actions.redraw();
  }

  private toggleChange(kind: ChangeKind, expert: number): void {
    const { model, tokens } = this.shown ?? {};
    if (!model) return;
    const layers = layersOf(model, this.look.view, tokens ?? []);
    this.actions.change(toggled(this.look.change, kind, expert, layers, model.removed));
  }
}
