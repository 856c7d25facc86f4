import type { TableRow, TableView } from '../../src/messages/contract';
import { element } from '../shared/dom';
import { Header, type HeaderActions } from './header';
import { cellText, columnCharacters, rowName, seenRows, shownColumns, type Table } from './model';

/** All rows are equally high, so that only those in view have to be there. In pixels, as in run-table.css. */
const ROW_HEIGHT = 26;
const SELECT_WIDTH = 32;
/** Space on both sides of a cell's text. */
const PADDING = 20;

/** What the grid can ask for. */
export interface GridActions extends HeaderActions {
  open(run: string): void;
  star(run: string, starred: boolean): void;
  /** Selects or unselects all runs of a row. */
  select(row: TableRow, isSelected: boolean): void;
}

/** The table itself. Of many rows only those in view are in the page. */
export class Grid {
  readonly root = element('div', { class: 'grid', role: 'region', 'aria-label': 'Runs', tabindex: 0 });
  private readonly header: Header;
  private readonly body = element('tbody');
  private readonly widths = element('colgroup');
  private readonly table = element('table', {}, this.widths, element('thead'), this.body);
  /** Room for the rows above and below those in view. */
  private readonly above = element('tr', { class: 'gap', 'aria-hidden': 'true' });
  private readonly below = element('tr', { class: 'gap', 'aria-hidden': 'true' });
  private data: Table | undefined;
  private selected: ReadonlySet<string> = new Set();
  /** Where each shown column begins, in pixels; the last number is where the table ends. */
  private lefts: number[] = [SELECT_WIDTH];
  private frozen = 0;
  private range: [from: number, to: number] = [0, 0];
  /** The row that the keyboard is at. */
  private active = 0;

  constructor(private readonly actions: GridActions) {
    this.header = new Header(actions);
    this.table.tHead!.append(this.header.root);
    this.root.append(this.table);
    this.root.addEventListener('scroll', () => requestAnimationFrame(() => this.drawRows(false)), { passive: true });
    new ResizeObserver(() => this.drawRows(false)).observe(this.root);
    this.body.addEventListener('keydown', (event) => this.pressKey(event));
    this.body.addEventListener('focusin', ({ target }) => this.activate(target as Element));
    this.body.addEventListener('dblclick', ({ target }) => this.openRow(target as Element));
  }

  /** Shows a table in which these runs are selected. */
  draw(data: Table, view: TableView, selected: ReadonlySet<string>): void {
    this.data = data;
    this.selected = selected;
    this.frozen = view.frozen;
    this.active = Math.min(this.active, Math.max(0, data.rows.length - 1));
    const columns = shownColumns(data);
    const character = characterWidth();
    const widths = columnCharacters(data).map((count) => Math.ceil(count * character) + PADDING);
    this.lefts = widths.reduce((lefts, width) => [...lefts, lefts.at(-1)! + width], [SELECT_WIDTH]);
    const total = this.lefts.at(-1)!;
    this.widths.replaceChildren(
      ...[SELECT_WIDTH, ...widths].map((width) => element('col', { style: `width:${width}px` })),
    );
    this.table.style.width = `${total}px`;
    this.table.setAttribute('aria-rowcount', String(data.rows.length + 1));
    this.header.draw(columns, view.sort, (cell, column) => this.place(cell, column));
    this.drawRows(true);
  }

  /** Draws the rows in view: all of them anew, or only those that are not there yet. */
  private drawRows(isAnew: boolean): void {
    const { data, root, body } = this;
    if (!data) return;
    const [from, to] = seenRows(root.scrollTop, root.clientHeight, ROW_HEIGHT, data.rows.length);
    if (!isAnew && from === this.range[0] && to === this.range[1]) return;
    const [before, after] = this.range;
    const focused = this.focusedControl();
    const rows = (start: number, end: number): HTMLElement[] =>
      data.rows.slice(start, end).map((row, i) => this.row(data, row, start + i));
    this.range = [from, to];
    if (isAnew || from >= after || to <= before) body.replaceChildren(this.above, ...rows(from, to), this.below);
    else {
      for (const row of [...body.rows]) {
        const index = Number(row.dataset.index);
        if (index < from || index >= to) row.remove();
      }
      this.above.after(...rows(from, before));
      this.below.before(...rows(after, to));
    }
    this.above.style.height = `${from * ROW_HEIGHT}px`;
    this.below.style.height = `${(data.rows.length - to) * ROW_HEIGHT}px`;
    if (focused !== undefined) this.focusControl(focused);
  }

  private row(data: Table, row: TableRow, index: number): HTMLElement {
    const tabindex = index === this.active ? 0 : -1;
    const isSelected = row.runs.every((run) => this.selected.has(run));
    const box = element('input', {
      type: 'checkbox',
      tabindex,
      'data-control': 'select',
      'aria-label': `Select ${row.title}`,
    });
    box.checked = isSelected;
    box.addEventListener('change', () => this.actions.select(row, box.checked));
    const cells = shownColumns(data).map(({ id, isNumber }, column) => {
      const cell = this.cell(row, id, column, tabindex);
      cell.classList.toggle('number', isNumber);
      this.place(cell, column);
      return cell;
    });
    const attributes = { class: isSelected ? 'selected' : undefined, 'aria-rowindex': index + 2, 'data-index': index };
    return element('tr', attributes, element('td', { class: 'frozen' }, box), ...cells);
  }

  private cell(row: TableRow, column: string, index: number, tabindex: number): HTMLElement {
    if (column === 'run') {
      const text = rowName(row, index);
      const link = element(
        'button',
        { type: 'button', class: 'link', tabindex, 'data-control': 'open', title: text },
        text,
      );
      link.addEventListener('click', () => this.actions.open(row.runs[0]!));
      return element('th', { scope: 'row' }, link);
    }
    if (column === 'starred' && row.runs.length === 1) return element('td', {}, this.star(row, tabindex));
    const difference = row.differences[index];
    const made = element('td', { title: cellText(row, index) }, row.cells[index]!);
    if (difference) made.append(' ', element('span', { class: 'small' }, difference));
    return made;
  }

  private star({ runs, starred, title }: TableRow, tabindex: number): HTMLElement {
    const attributes = {
      type: 'button',
      class: 'star',
      tabindex,
      'data-control': 'star',
      'aria-pressed': String(starred),
    };
    const made = element('button', { ...attributes, 'aria-label': `Star ${title}` }, starred ? '★' : '☆');
    made.addEventListener('click', () => this.actions.star(runs[0]!, !starred));
    return made;
  }

  /** Keeps a frozen column in its place. */
  private place(cell: HTMLElement, column: number): void {
    if (column >= this.frozen) return;
    cell.classList.add('frozen');
    cell.classList.toggle('last-frozen', column === this.frozen - 1);
    cell.style.left = `${this.lefts[column]!}px`;
  }

  private pressKey(event: KeyboardEvent): void {
    const count = this.data?.rows.length ?? 0;
    const page = Math.max(1, Math.floor(this.root.clientHeight / ROW_HEIGHT) - 2);
    const steps: Record<string, number> = {
      ArrowUp: -1,
      ArrowDown: 1,
      PageUp: -page,
      PageDown: page,
      Home: -count,
      End: count,
    };
    const step = steps[event.key];
    const control = this.focusedControl();
    if (step === undefined || control === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.setActive(Math.max(0, Math.min(count - 1, this.active + step)));
    this.showActive();
    this.drawRows(false);
    this.focusControl(control);
  }

  /** Scrolls until the active row stands below the header and above the lower edge. */
  private showActive(): void {
    const { root, active } = this;
    const header = this.table.tHead!.offsetHeight;
    const top = active * ROW_HEIGHT;
    const highest = top + ROW_HEIGHT + header - root.clientHeight;
    root.scrollTop = Math.min(top, Math.max(root.scrollTop, highest));
  }

  private activate(target: Element): void {
    const index = Number(target.closest('tr')?.dataset.index);
    if (!Number.isNaN(index) && index !== this.active) this.setActive(index);
  }

  /** The tab key reaches the controls of one row only; arrows go on from there. */
  private setActive(index: number): void {
    for (const control of this.controlsOf(this.active)) control.tabIndex = -1;
    this.active = index;
    for (const control of this.controlsOf(index)) control.tabIndex = 0;
  }

  private controlsOf(index: number): HTMLElement[] {
    return [...this.body.querySelectorAll<HTMLElement>(`tr[data-index="${index}"] [data-control]`)];
  }

  private focusedControl(): string | undefined {
    const focused = document.activeElement;
    return this.body.contains(focused) ? (focused as HTMLElement).dataset.control : undefined;
  }

  private focusControl(control: string): void {
    const found = this.controlsOf(this.active).find(({ dataset }) => dataset.control === control);
    // A row that was scrolled away takes its controls with it: the keyboard stays in the table.
    (found ?? this.root).focus({ preventScroll: true });
  }

  private openRow(target: Element): void {
    const row = this.data?.rows[Number(target.closest('tr')?.dataset.index)];
    if (row && !target.closest('[data-control]')) this.actions.open(row.runs[0]!);
  }
}

/** The width of a digit in the page's font, in pixels. */
function characterWidth(): number {
  const context = element('canvas').getContext('2d')!;
  const { fontSize, fontFamily } = window.getComputedStyle(document.body);
  context.font = `${fontSize} ${fontFamily}`;
  return context.measureText('0').width;
}
