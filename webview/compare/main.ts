import './compare.css';
import { comparisonMessage, type ComparisonMessage, type ComparisonRequest } from '../../src/messages/contract';
import { button, checkbox } from '../shared/controls';
import { element } from '../shared/dom';
import { saveText, toCsv } from '../shared/export';
import { connect } from '../shared/host';
import { type Choices, readChoices } from './choices';
import { type Actions, CurvesSection } from './curves';
import type { Comparison } from './model';
import { differencesTable, resultNumbers, resultsTable, runsTable } from './tables';

const main = document.getElementById('main')!;
const host = connect<ComparisonMessage, ComparisonRequest>(comparisonMessage, receive);
let choices = readChoices(host.state());
let comparison: Comparison | undefined;

const actions: Actions = { send: (request) => host.send(request), choose };
const runs = element('div');
const differences = element('div');
const results = element('div');
const curves = new CurvesSection(actions, choices);

function receive(message: ComparisonMessage): void {
  if (message.type === 'gone') {
    comparison = undefined;
    main.replaceChildren(element('p', { role: 'alert' }, message.message));
    return;
  }
  if (!comparison) showPage();
  comparison = message;
  choose({ root: message.root, runs: message.runs.map(({ id }) => id) });
  runs.replaceChildren(runsTable(message));
  differences.replaceChildren(differencesTable(message));
}

function showPage(): void {
  main.replaceChildren(
    element('header', {}, element('h1', {}, 'Comparison')),
    runs,
    section('Results', resultTools(), results),
    curves.root,
    section('What differs', differences),
  );
}

function section(title: string, ...children: Node[]): HTMLElement {
  return element('section', { 'aria-label': title }, element('h2', {}, title), ...children);
}

function resultTools(): HTMLElement {
  const domains = checkbox('every domain', choices.showsDomains, (showsDomains) => choose({ showsDomains }));
  const csv = button('CSV', saveResults, { name: 'Save the results as CSV' });
  return element('div', { class: 'tools' }, domains.root, csv);
}

function saveResults(): void {
  if (!comparison) return;
  host.send(saveText('comparison', 'csv', toCsv(resultNumbers(comparison, choices.showsDomains))));
}

/** Keeps choices and draws what depends on them. */
function choose(next: Partial<Choices>): void {
  choices = { ...choices, ...next };
  host.keep(choices);
  if (!comparison) return;
  results.replaceChildren(resultsTable(comparison, choices.showsDomains));
  curves.draw(comparison, choices);
}

host.send({ type: 'ready' });
