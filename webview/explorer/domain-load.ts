import type { Save } from '../../src/messages/contract';
import type { DomainText, Model, Token } from '../../src/messages/explorer';
import { button, setEnabled } from '../shared/controls';
import { element } from '../shared/dom';
import { saveText, toCsv } from '../shared/export';
import { fitting, loadNumbers, type ReadDomain } from './domain-numbers';
import type { Palette } from './expert-colors';
import { loadCell } from './load-cell';
import { areAllChosen, type View } from './routing';
import { quoted } from './token-text';

/** Characters of a text that are shown of it. */
const SHOWN_CHARACTERS = 80;

export interface LoadActions {
  /** Beginnings of held-out documents. */
  texts(): Promise<{ texts: DomainText[]; problems: string[] }>;
  /** Reads a text with the shown checkpoint. Rejects where that fails. */
  read(text: string): Promise<{ model: Model; tokens: Token[] }>;
  save(request: Save): void;
}

/** The loads of the experts in the texts of each domain, read on demand. */
export class DomainLoad {
  readonly root: HTMLElement;
  private readonly start = button('Read held-out texts', () => void this.measure());
  private readonly csv = button('CSV', () => this.save(), { name: 'Save the loads by domain as CSV' });
  private readonly status = element('span', { role: 'status' });
  private readonly result = element('div');
  private domains: ReadDomain[] = [];
  private problems: string[] = [];
  private model: Model | undefined;
  private look: { view: View; palette: Palette } | undefined;

  constructor(private readonly actions: LoadActions) {
    const tools = element('div', { class: 'tools' }, this.start, this.csv, this.status);
    const text =
      'How the routers send the beginnings of held-out documents of each domain: nothing is generated, and the shown routing is unchanged.';
    const heading = element('h2', {}, 'Load by domain');
    const note = element('p', { class: 'small' }, text);
    this.root = element('section', { 'aria-label': 'Load by domain' }, heading, note, tools, this.result);
    setEnabled(this.csv, false);
  }

  /** Draws what was read in a layer or in all, unless it is drawn so. */
  draw(look: { view: View; palette: Palette }): void {
    if (look.view === this.look?.view && look.palette === this.look.palette) return;
    this.look = look;
    this.show(look);
  }

  private show(look: { view: View; palette: Palette }): void {
    const { model, domains, problems } = this;
    const warnings = problems.map((problem) => element('p', { class: 'problem' }, problem));
    const isThere = model !== undefined && domains.length > 0;
    setEnabled(this.csv, isThere);
    this.result.replaceChildren(...(isThere ? [loadTable(model, domains, look), textList(domains)] : []), ...warnings);
  }

  private async measure(): Promise<void> {
    setEnabled(this.start, false);
    this.domains = [];
    this.status.textContent = 'looking for texts…';
    try {
      const { texts, problems } = await this.actions.texts();
      this.problems = problems;
      await this.read(texts);
      this.status.textContent = '';
    } catch (error) {
      this.problems.push((error as Error).message);
      this.status.textContent = 'failed';
    }
    setEnabled(this.start, true);
    if (this.look) this.show(this.look);
  }

  private async read(texts: readonly DomainText[]): Promise<void> {
    if (!texts.length) return;
    // What fits into the context is known once the model has said so.
    const { model } = await this.actions.read([...texts[0]!.text].slice(0, 1).join(''));
    this.model = model;
    if (!model.ffnExperts.length) {
      this.problems.push('This model is dense: it has no FFN experts to route to.');
      return;
    }
    for (const [i, { domain, text }] of texts.entries()) {
      this.status.textContent = `reading text ${i + 1} of ${texts.length}…`;
      const part = fitting(text, model.context);
      const { tokens } = await this.actions.read(part);
      const known = this.domains.find((one) => one.domain === domain);
      if (known) {
        known.texts.push(part);
        known.tokens.push(...tokens);
      } else this.domains.push({ domain, texts: [part], tokens: [...tokens] });
      if (this.look) this.show(this.look);
    }
  }

  private save(): void {
    if (!this.model || !this.look) return;
    const { view } = this.look;
    const where = view === 'all' ? 'all layers' : `layer ${view}`;
    const title = `load by domain, ${this.model.stage}, ${where}`;
    this.actions.save(saveText(title, 'csv', toCsv(loadNumbers(this.model, this.domains, view))));
  }
}

function loadTable(
  model: Model,
  domains: readonly ReadDomain[],
  { view, palette }: { view: View; palette: Palette },
): HTMLElement {
  const { header, rows } = loadNumbers(model, domains, view);
  const isSoft = domains.some(({ tokens }) => areAllChosen(tokens, model.ffnExperts.length));
  const where = view === 'all' ? 'all layers' : `layer ${view}`;
  const caption = `${isSoft ? 'Share of the gates' : 'Load'} in ${where}`;
  const head = header.map((title) => element('th', { scope: 'col' }, title));
  const body = rows.map(([domain, documents, tokens, ...loads]) => {
    const counts = [documents, tokens].map((count) => element('td', {}, String(count)));
    const cells = loads.map((load, expert) => loadCell(Number(load), expert, palette));
    return element('tr', {}, element('th', { scope: 'row' }, String(domain)), ...counts, ...cells);
  });
  const parts = [element('caption', {}, caption), element('thead', {}, element('tr', {}, ...head))];
  const table = element('table', { class: 'loads' }, ...parts, element('tbody', {}, ...body));
  return element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, table);
}

/** Which texts were read, for whoever wants to know. */
function textList(domains: readonly ReadDomain[]): HTMLElement {
  const lines = domains.flatMap(({ domain, texts }) =>
    texts.map((text) => {
      const isCut = text.length > SHOWN_CHARACTERS;
      return element('li', {}, `${domain}: ${quoted(text.slice(0, SHOWN_CHARACTERS))}${isCut ? '…' : ''}`);
    }),
  );
  return element('details', {}, element('summary', {}, 'Texts that were read'), element('ul', {}, ...lines));
}
