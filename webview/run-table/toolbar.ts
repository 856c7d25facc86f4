import type { TableRequest, TableView } from '../../src/messages/contract';
import { button, checkbox, setEnabled, textField } from '../shared/controls';
import { element } from '../shared/dom';
import type { Table } from './model';

/** How long typing has to rest before the table is filtered, in milliseconds. */
const TYPING_MILLISECONDS = 150;
/** Most runs of a comparison. */
const MAXIMUM_COMPARED = 10;
const EXAMPLE = 'stage:bam avg<4 tag:paper state:failed -tag:old "free text"';

/** What the toolbar can ask for. */
export interface ToolbarActions {
  change(change: Partial<TableView>): void;
  send(request: TableRequest): void;
  compare(): void;
  /** Makes the selected row the baseline. */
  setBaseline(): void;
  clearSelection(): void;
  toggleColumns(): boolean;
}

/** Everything above the table. */
export class Toolbar {
  readonly root = element('div', { class: 'head' });
  private readonly problem = element('p', { class: 'problem', role: 'status' });
  private readonly status = element('span', { role: 'status' });
  private readonly compare: HTMLElement;
  private readonly baseline: HTMLElement;
  private readonly clearBaseline: HTMLElement;
  private readonly clear: HTMLElement;
  private timer: number | undefined;

  constructor(
    private readonly actions: ToolbarActions,
    view: TableView,
  ) {
    const filter = textField('Filter runs', view.query, EXAMPLE, (query) => this.type(query));
    filter.root.classList.add('filter');
    const seeds = checkbox('join seeds', view.grouped, (grouped) => actions.change({ grouped }));
    this.compare = button('Compare', () => actions.compare(), { isPrimary: true });
    this.baseline = button('Set as baseline', () => actions.setBaseline());
    this.clearBaseline = button('No baseline', () => actions.change({ baseline: null }));
    this.clear = button('Clear selection', () => actions.clearSelection());
    const columns = button('Columns', () => columns.setAttribute('aria-expanded', String(actions.toggleColumns())));
    columns.setAttribute('aria-expanded', 'false');
    const save = (label: string, kind: 'csv' | 'md'): HTMLElement =>
      button(label, () => actions.send({ type: 'export', kind }), { name: `Save the shown table as ${label}` });
    const first = element('div', { class: 'tools' }, filter.root, seeds.root, this.status);
    const buttons = [this.compare, this.baseline, this.clearBaseline, this.clear, columns];
    const second = element('div', { class: 'tools' }, ...buttons, save('CSV', 'csv'), save('Markdown', 'md'));
    this.root.append(first, this.problem, second);
  }

  /** Shows what can be done with the selected runs, how many rows there are, and what is wrong with the query. */
  draw({ rows, total, queryProblem }: Table, view: TableView, selected: ReadonlySet<string>): void {
    const selectedRows = rows.filter(({ runs }) => runs.every((run) => selected.has(run)));
    setEnabled(this.compare, selected.size >= 2 && selected.size <= MAXIMUM_COMPARED);
    setEnabled(this.baseline, selectedRows.length === 1);
    this.clearBaseline.hidden = view.baseline === null;
    this.clear.hidden = selected.size === 0;
    this.compare.title = `Select 2 to ${MAXIMUM_COMPARED} runs; the baseline, or else the first selected, is what others are compared with`;
    const shown = rows.reduce((sum, { runs }) => sum + runs.length, 0);
    setText(this.status, `${shown} of ${total} runs${selected.size ? `, ${selected.size} selected` : ''}`);
    setText(this.problem, queryProblem ?? '');
  }

  private type(query: string): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.actions.change({ query: query.slice(0, 500) }), TYPING_MILLISECONDS);
  }
}

/** Only what changes is spoken. */
function setText(on: HTMLElement, text: string): void {
  if (on.textContent !== text) on.textContent = text;
}
