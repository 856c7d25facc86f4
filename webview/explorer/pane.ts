import { formatCount, formatMeasure } from '../../src/base/format';
import { formatDifference } from '../../src/base/difference';
import type { Model, Token } from '../../src/messages/explorer';
import { element } from '../shared/dom';
import { type Answer, progressOf } from './answers';
import { type Palette, swatch } from './expert-colors';
import { describeChange, differences, perplexityOf } from './routing';
import { type Look, TokenRun, type Watcher } from './token-run';

/** How a pane is looked at, but for what only it knows. */
export type PaneLook = Omit<Look, 'differing'>;

/** One answer: whose it is, its tokens, its perplexities. */
export class Pane {
  readonly root: HTMLElement;
  private readonly title = element('h2');
  private readonly subtitle = element('p', { class: 'small' });
  private readonly message = element('p', { class: 'problem', hidden: true });
  private readonly numbers = element('p', { class: 'small numbers' });
  private readonly names = element('p', { class: 'small' });
  private readonly run: TokenRun;
  private differing = new Set<number>();
  /** Tokens of the answer beside which this one stands, when it was drawn last. */
  private compared = 0;

  constructor(name: string, watcher: Watcher) {
    this.run = new TokenRun(`Tokens, ${name}`, watcher);
    this.title.textContent = name;
    this.root = element('section', { class: 'pane', 'aria-label': name }, this.title, this.subtitle);
    this.root.append(this.names, this.run.root, this.message, this.numbers);
  }

  /** Shows an answer, and in what it differs from the one beside it. Old tokens are styled anew only where `isRestyled`. */
  draw(answer: Answer, base: Answer | undefined, look: PaneLook, isRestyled: boolean): void {
    const { tokens, end, model } = answer;
    this.differing = base ? differences(base.tokens, tokens) : new Set();
    this.subtitle.textContent = subtitleOf(answer);
    const isCompared = (base?.tokens.length ?? 0) === this.compared;
    this.compared = base?.tokens.length ?? 0;
    this.run.draw(tokens, { ...look, differing: this.differing }, model, isRestyled || !isCompared);
    this.message.hidden = end?.type !== 'failed';
    this.message.textContent = end?.type === 'failed' ? end.message : '';
    const parts = this.summary(answer, base).map((text) => element('span', {}, text));
    this.numbers.replaceChildren(...parts);
    this.names.replaceChildren(...namesOf(model, base?.model, look.palette));
  }

  private summary(answer: Answer, base: Answer | undefined): string[] {
    const parts = [
      ...[true, false].map((isPrompt) => perplexities(answer, base, isPrompt)),
      progressOf(answer),
      base && base.tokens.length > 0 && answer.tokens.length > 0 ? this.differenceText(answer) : undefined,
    ];
    return parts.flatMap((part) => part || []);
  }

  private differenceText({ tokens }: Answer): string {
    const made = tokens.filter(({ isPrompt }) => !isPrompt).length;
    if (!made) return '';
    const first = Math.min(...this.differing);
    const where = this.differing.size ? `, the first at position ${first}: they have a line on top` : '';
    return `${this.differing.size} of ${made} tokens differ${where}`;
  }
}

/** The experts of a model that has others than the one beside it: the legend names only the latter's. */
function namesOf(model: Model | undefined, base: Model | undefined, palette: Palette): (Node | string)[] {
  const names = ({ ffnExperts }: Model): string => JSON.stringify(ffnExperts.map(({ name }) => name));
  if (!model || !base || names(model) === names(base)) return [];
  return model.ffnExperts.flatMap(({ name }, expert) => [swatch(palette, expert), name]);
}

function subtitleOf({ model, asked, side }: Answer): string {
  if (!model) return '';
  const { step, parameters, ffnExperts } = model;
  if (side === 'changed' && asked.routing) return describeChange(asked.routing, model);
  const experts = ffnExperts.length ? `${ffnExperts.length} FFN experts` : 'dense';
  return `step ${step}, ${experts}, ${formatCount(parameters)} parameters`;
}

/** The perplexity of a part, with the difference to the answer beside it where both read the same. */
function perplexities(answer: Answer, base: Answer | undefined, isPrompt: boolean): string | undefined {
  const part = ({ tokens }: Answer): Token[] => tokens.filter((token) => token.isPrompt === isPrompt);
  const value = perplexityOf(part(answer));
  if (value === undefined) return undefined;
  const name = isPrompt ? 'prompt' : 'continuation';
  const other = base && isPrompt ? perplexityOf(part(base)) : undefined;
  const difference = other === undefined ? '' : `, ${formatDifference(value, other, formatMeasure)}`;
  return `${name} perplexity ${formatMeasure(value)}${difference}`;
}
