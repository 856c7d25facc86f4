import type { TableColumn, TableView } from '../../src/messages/contract';
import { button } from '../shared/controls';
import { element } from '../shared/dom';
import { moved, shownColumns, type Table } from './model';

/** Most columns that can be frozen: more would leave no room to scroll in. */
const MAXIMUM_FROZEN = 5;

/** Which columns are shown, in what order, and how many stay in place. */
export class ColumnChooser {
  readonly root = element('div', { class: 'chooser', role: 'group', 'aria-label': 'Columns', hidden: true });
  private readonly list = element('ul');
  private readonly frozen = element('input', { type: 'number', min: 0, max: MAXIMUM_FROZEN });

  constructor(private readonly change: (change: Partial<TableView>) => void) {
    this.frozen.addEventListener('change', () => {
      const count = Math.max(0, Math.min(MAXIMUM_FROZEN, Math.round(this.frozen.valueAsNumber) || 0));
      this.frozen.valueAsNumber = count;
      change({ frozen: count });
    });
    const freeze = element('label', {}, 'Columns that stay in place ', this.frozen);
    const usual = button('Usual columns', () => change({ columns: null }));
    this.root.append(element('div', { class: 'tools' }, freeze, usual), this.list);
  }

  /** Draws the list; the focus stays on its control. */
  draw(table: Table, view: TableView): void {
    if (this.root.hidden) return;
    this.frozen.valueAsNumber = view.frozen;
    const focused = this.list.contains(document.activeElement)
      ? document.activeElement?.getAttribute('aria-label')
      : null;
    const shown = shownColumns(table).map(({ id }) => id);
    this.list.replaceChildren(...table.columns.map((column, i) => this.item(column, shown, i)));
    const controls = [...this.list.querySelectorAll<HTMLElement>('[aria-label]')];
    if (focused) controls.find((control) => control.getAttribute('aria-label') === focused)?.focus();
  }

  private item({ id, label, isShown }: TableColumn, shown: readonly string[], place: number): HTMLElement {
    const box = element('input', { type: 'checkbox', 'aria-label': `Show ${label}` });
    box.checked = isShown;
    // A table without any column could not be told from one without runs.
    box.disabled = isShown && shown.length === 1;
    box.addEventListener('change', () =>
      this.change({ columns: box.checked ? [...shown, id] : shown.filter((other) => other !== id) }),
    );
    const move = (by: number, sign: string, where: string): HTMLElement => {
      const isPossible = place + by >= 0 && place + by < shown.length;
      const made = element(
        'button',
        { type: 'button', 'aria-label': `Move ${label} ${where}`, disabled: !isPossible },
        sign,
      );
      made.addEventListener('click', () => this.change({ columns: moved(shown, id, place + by) }));
      return made;
    };
    const moves = isShown ? [move(-1, '↑', 'to the left'), move(1, '↓', 'to the right')] : [];
    return element('li', {}, element('label', {}, box, ` ${label}`), ...moves);
  }
}
