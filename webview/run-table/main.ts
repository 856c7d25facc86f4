import './run-table.css';
import {
  tableMessage,
  type TableMessage,
  type TableRequest,
  type TableRow,
  type TableView,
} from '../../src/messages/contract';
import { element } from '../shared/dom';
import { connect } from '../shared/host';
import { ColumnChooser } from './column-chooser';
import { Grid } from './grid';
import { moved, shownColumns, sortedBy, type Table } from './model';
import { Toolbar } from './toolbar';

const main = document.getElementById('main')!;
const host = connect<TableMessage, TableRequest>(tableMessage, receive);
const grid = new Grid({
  sort: (column) => change(sortedBy(view, column)),
  move: (column, to) => change({ columns: moved(shownIds(), column, to) }),
  open: (run) => host.send({ type: 'dashboard', run }),
  star: (run, starred) => host.send({ type: 'star', run, starred }),
  select,
});
const chooser = new ColumnChooser(change);
const nothing = element('p');
/** In the order of selecting. */
const selected = new Set<string>();
let toolbar: Toolbar | undefined;
let table: Table | undefined;
let view: TableView;

function receive(message: TableMessage): void {
  if (message.type === 'gone') {
    table = toolbar = undefined;
    main.replaceChildren(element('p', { role: 'alert' }, message.message));
    return;
  }
  // The page says how it is looked at, and is told only once: an answer to an earlier choice must not undo a later one.
  if (!toolbar) showPage(message.view);
  table = message;
  host.keep({ root: message.root });
  draw();
}

function showPage(first: TableView): void {
  view = first;
  toolbar = new Toolbar(
    {
      change,
      send: (request) => host.send(request),
      compare,
      setBaseline,
      clearSelection: () => {
        selected.clear();
        draw();
      },
      toggleColumns,
    },
    first,
  );
  main.replaceChildren(
    element('h1', { class: 'visually-hidden' }, 'Runs'),
    toolbar.root,
    chooser.root,
    nothing,
    grid.root,
  );
}

function change(next: Partial<TableView>): void {
  view = { ...view, ...next };
  host.send({ type: 'view', view });
}

function draw(): void {
  if (!table) return;
  toolbar?.draw(table, view, selected);
  chooser.draw(table, view);
  grid.draw(table, view, selected);
  nothing.hidden = table.rows.length > 0;
  nothing.textContent = table.total
    ? 'No run is like that; archived ones are found by the word archived.'
    : 'This workspace has no runs yet.';
}

function shownIds(): string[] {
  return table ? shownColumns(table).map(({ id }) => id) : [];
}

function select({ runs }: TableRow, isSelected: boolean): void {
  for (const run of runs) {
    if (isSelected) selected.add(run);
    else selected.delete(run);
  }
  draw();
}

function compare(): void {
  const runs = [...selected].sort((a, b) => Number(b === view.baseline) - Number(a === view.baseline));
  host.send({ type: 'compare', runs });
}

function setBaseline(): void {
  const row = table?.rows.find(({ runs }) => runs.every((run) => selected.has(run)));
  if (row) change({ baseline: row.runs[0]! });
}

function toggleColumns(): boolean {
  chooser.root.hidden = !chooser.root.hidden;
  draw();
  return !chooser.root.hidden;
}

host.send({ type: 'ready' });
