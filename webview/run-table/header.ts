import type { TableColumn, TableView } from '../../src/messages/contract';
import { element } from '../shared/dom';

/** What the header can ask for. */
export interface HeaderActions {
  sort(column: string): void;
  /** Puts a shown column at another place. */
  move(column: string, to: number): void;
}

/** The names of the columns: a click sorts, dragging or Alt and an arrow moves. */
export class Header {
  readonly root = element('tr', { 'aria-rowindex': 1 });
  private columns: readonly TableColumn[] = [];
  private dragged: string | undefined;

  constructor(private readonly actions: HeaderActions) {}

  /** Draws the header; the focus stays on its column. `place` gives a cell its width and place. */
  draw(
    columns: readonly TableColumn[],
    sort: TableView['sort'],
    place: (cell: HTMLElement, column: number) => void,
  ): void {
    const focused = this.root.contains(document.activeElement)
      ? document.activeElement?.getAttribute('data-column')
      : null;
    this.columns = columns;
    const select = element(
      'th',
      { scope: 'col', class: 'frozen' },
      element('span', { class: 'visually-hidden' }, 'Select'),
    );
    const cells = columns.map((column, i) => {
      const cell = this.cell(column, i, sort);
      place(cell, i);
      return cell;
    });
    this.root.replaceChildren(select, ...cells);
    const again = cells.find((_, i) => columns[i]!.id === focused);
    again?.querySelector('button')?.focus({ preventScroll: true });
  }

  private cell({ id, label, isNumber }: TableColumn, index: number, sort: TableView['sort']): HTMLElement {
    const isSorted = sort.column === id;
    const order = sort.descending ? 'descending' : 'ascending';
    const sign = isSorted ? (sort.descending ? ' ▾' : ' ▴') : '';
    const hint = `${label}: click to sort, drag or press Alt and an arrow key to move`;
    const button = element('button', { type: 'button', 'data-column': id, title: hint }, `${label}${sign}`);
    button.addEventListener('click', () => this.actions.sort(id));
    button.addEventListener('keydown', (event) => {
      const by = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
      if (!event.altKey || !by) return;
      event.preventDefault();
      this.actions.move(id, index + by);
    });
    const attributes = { scope: 'col', class: isNumber ? 'number' : '', draggable: 'true' };
    const cell = element('th', { ...attributes, 'aria-sort': isSorted ? order : undefined }, button);
    this.makeDraggable(cell, id, index);
    return cell;
  }

  private makeDraggable(cell: HTMLElement, id: string, index: number): void {
    cell.addEventListener('dragstart', (event) => {
      this.dragged = id;
      event.dataTransfer?.setData('text/plain', id);
    });
    cell.addEventListener('dragend', () => (this.dragged = undefined));
    cell.addEventListener('dragover', (event) => {
      if (this.dragged === undefined) return;
      event.preventDefault();
      cell.classList.add('drop');
    });
    cell.addEventListener('dragleave', () => cell.classList.remove('drop'));
    cell.addEventListener('drop', (event) => {
      event.preventDefault();
      cell.classList.remove('drop');
      const { dragged } = this;
      // Only a column of this table: text from elsewhere may be dropped here, too.
      if (this.columns.some((column) => column.id === dragged)) this.actions.move(dragged!, index);
    });
  }
}
