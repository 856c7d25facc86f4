import type { Model, Token } from '../../src/messages/explorer';
import { element, setAttributes } from '../shared/dom';
import { expertStyle, type Palette } from './expert-colors';
import { mainExpert, type View } from './routing';
import { formatShare } from './shares';
import { piecesOf, quoted } from './token-text';

/** How tokens are looked at. */
export interface Look {
  view: View;
  palette: Palette;
  /** Experts whose tokens are to be seen in colour; all, if `undefined`. */
  filter: ReadonlySet<number> | undefined;
  /** Shows the number of its expert under each token. */
  showsNumbers: boolean;
  /** Tokens that differ from those of the answer beside which this one stands. */
  differing: ReadonlySet<number>;
}

/** What a run tells: the token that is pointed at or has the focus; `undefined` once nothing is pointed at any more. */
export interface Watcher {
  point(token: Token | undefined): void;
  choose(token: Token): void;
}

/** A prompt and its continuation as tokens in the colours of their experts. One of them is in the tab order, arrows move from token to token. */
export class TokenRun {
  readonly root = element('div', { class: 'tokens', role: 'listbox', tabindex: -1 });
  private tokens: readonly Token[] = [];
  private spans: HTMLElement[] = [];
  private current = 0;

  constructor(
    name: string,
    private readonly watcher: Watcher,
  ) {
    this.root.setAttribute('aria-label', name);
    this.root.addEventListener('mouseover', ({ target }) => this.watcher.point(this.tokens[this.indexOf(target)]));
    this.root.addEventListener('mouseleave', () => this.watcher.point(undefined));
    this.root.addEventListener('focusin', ({ target }) => this.choose(this.indexOf(target)));
    this.root.addEventListener('keydown', (event) => this.pressKey(event));
  }

  /** Shows these tokens; those that were shown before are styled anew only where `isRestyled`. */
  draw(tokens: readonly Token[], look: Look, model: Model | undefined, isRestyled: boolean): void {
    const before = isRestyled ? 0 : this.spans.length;
    this.tokens = tokens;
    for (let i = this.spans.length; i < tokens.length; i++) this.add(tokens[i]!, i);
    this.root.classList.toggle('numbered', look.showsNumbers);
    for (let i = before; i < tokens.length; i++) style(this.spans[i]!, tokens[i]!, look, model);
  }

  private add(token: Token, index: number): void {
    const pieces = piecesOf(token.text);
    const parts = pieces.flatMap(({ text, isMark, endsLine }, i) => {
      const part = element('span', { class: isMark && 'mark' }, text);
      return endsLine && i < pieces.length - 1 ? [part, element('br')] : [part];
    });
    const first = !token.isPrompt && (index === 0 || this.tokens[index - 1]!.isPrompt);
    const made = element('span', { class: 'token', role: 'option', tabindex: index ? -1 : 0 }, ...parts);
    made.dataset.index = String(index);
    made.classList.toggle('continuation', !token.isPrompt);
    this.spans.push(made);
    if (first) this.root.append(element('span', { class: 'begin', 'aria-hidden': 'true' }));
    // Lines break before words.
    if (/^\s/.test(token.text)) this.root.append(element('wbr'));
    this.root.append(made);
    if (pieces.at(-1)!.endsLine) this.root.append(element('br'));
  }

  private indexOf(target: EventTarget | null): number {
    const index = (target as HTMLElement | null)?.closest<HTMLElement>('.token')?.dataset.index;
    return index === undefined ? -1 : Number(index);
  }

  private choose(index: number): void {
    const next = this.spans[index];
    if (!next) return;
    setAttributes(this.spans[this.current]!, { tabindex: -1, 'aria-selected': 'false' });
    this.current = index;
    setAttributes(next, { tabindex: 0, 'aria-selected': 'true' });
    this.watcher.choose(this.tokens[index]!);
  }

  private pressKey(event: KeyboardEvent): void {
    const moves: Record<string, () => number> = {
      ArrowLeft: () => this.current - 1,
      ArrowRight: () => this.current + 1,
      ArrowUp: () => this.inLine(-1),
      ArrowDown: () => this.inLine(1),
      Home: () => 0,
      End: () => this.spans.length - 1,
    };
    const next = moves[event.key]?.();
    if (next === undefined) return;
    event.preventDefault();
    this.spans[next]?.focus();
  }

  /** The token of the next line, up or down, that is nearest to the current one. */
  private inLine(step: 1 | -1): number {
    const { offsetTop, offsetLeft } = this.spans[this.current]!;
    let best = -1;
    let top: number | undefined;
    for (let i = this.current + step; this.spans[i]; i += step) {
      const span = this.spans[i]!;
      if (span.offsetTop === offsetTop) continue;
      top ??= span.offsetTop;
      if (span.offsetTop !== top) break;
      const isNearer = best < 0 || distance(span, offsetLeft) < distance(this.spans[best]!, offsetLeft);
      if (isNearer) best = i;
    }
    return best;
  }
}

function distance({ offsetLeft }: HTMLElement, left: number): number {
  return Math.abs(offsetLeft - left);
}

function style(span: HTMLElement, token: Token, look: Look, model: Model | undefined): void {
  const main = mainExpert(token, look.view);
  const isShown = main && (look.filter?.has(main.expert) ?? true);
  const plain = { backgroundColor: '', color: '', borderBottomColor: '', borderBottomStyle: '' };
  Object.assign(span.style, isShown ? expertStyle(look.palette, main.expert, main.share) : plain);
  span.dataset.expert = main ? String(main.expert) : '';
  span.classList.toggle('dimmed', !isShown && look.filter !== undefined);
  const isDifferent = look.differing.has(token.position);
  span.classList.toggle('differs', isDifferent);
  span.setAttribute('aria-label', describe(token, look.view, model, isDifferent));
}

/** A token in words, for screen readers. */
function describe(token: Token, view: View, model: Model | undefined, isDifferent: boolean): string {
  const main = mainExpert(token, view);
  const name = main && (model?.ffnExperts[main.expert]?.name ?? '');
  const parts = [
    quoted(token.text),
    main && `expert ${main.expert} ${name}, ${Math.round(100 * main.share)} % of the gates`,
    token.logProbability === undefined ? undefined : `probability ${formatShare(Math.exp(token.logProbability))}`,
    isDifferent && 'differs',
  ];
  return parts.filter(Boolean).join(', ');
}
