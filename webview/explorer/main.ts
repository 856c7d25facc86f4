import './explorer.css';
import {
  type Asked,
  type CheckpointName,
  type DomainText,
  explorerMessage,
  type ExplorerMessage,
  type ExplorerRequest,
  type Servable,
} from '../../src/messages/explorer';
import { checkbox, dropdown } from '../shared/controls';
import { element } from '../shared/dom';
import { connect } from '../shared/host';
import { isHighContrast, onThemeChange } from '../shared/palette';
import { type Answer, progressOf, type Side } from './answers';
import { Asking } from './asking';
import { type Choices, readAsked, readChoices } from './choices';
import { DomainLoad } from './domain-load';
import { PromptForm } from './form';
import { Results } from './results';
import { isChanged, type View } from './routing';
import type { Settings } from './settings';

type Explorer = Extract<ExplorerMessage, { type: 'explorer' }>;

/** How a text is asked for that is only read. */
const NOTHING_DRAWN: Omit<Settings, 'prompt'> = { tokens: 0, sampling: { temperature: 0, seed: 0 }, stop: [] };

const main = document.getElementById('main')!;
const host = connect<ExplorerMessage, ExplorerRequest>(explorerMessage, receive);
let choices = readChoices(host.state());
let explorer: Explorer | undefined;
/** Layers that can be chosen now. */
let offered = 0;
/** Who waits for texts of the domains. */
let takeTexts: ((found: { texts: DomainText[]; problems: string[] }) => void) | undefined;

const asking = new Asking(
  (request) => host.send(request),
  () => {
    const id = choices.nextId;
    keep({ nextId: id + 1 });
    return id;
  },
);
const beside = dropdown('beside', [], '', (value) => {
  keep({ beside: value ? (JSON.parse(value) as CheckpointName) : null });
  again();
});
const form = new PromptForm(choices.form, beside.root, {
  change: (next) => keep({ form: next }),
  generate,
  stop: () => asking.stop(),
});
const results = new Results({
  change: (change) => {
    keep({ change });
    again();
  },
  redraw: draw,
});
const load = new DomainLoad({
  texts: () =>
    new Promise((resolve) => {
      takeTexts = resolve;
      host.send({ type: 'texts' });
    }),
  read: async (prompt) => {
    const { model, tokens } = await asking.read(askedOf(explorer!.shown, { ...NOTHING_DRAWN, prompt }));
    return { model: model!, tokens };
  },
  save: (request) => host.send(request),
});
const layer = dropdown('colour by', [{ value: 'all', label: 'all layers' }], String(choices.view), (value) => {
  keep({ view: value === 'all' ? 'all' : Number(value) });
  draw();
});
const numbers = checkbox('expert numbers', choices.showsNumbers ?? isHighContrast(), (showsNumbers) => {
  keep({ showsNumbers });
  draw();
});

function receive(message: ExplorerMessage): void {
  switch (message.type) {
    case 'gone':
      explorer = undefined;
      return main.replaceChildren(element('p', { role: 'alert' }, message.message));
    case 'explorer':
      return showExplorer(message);
    case 'texts':
      return takeTexts?.(message);
    default:
      if (asking.receive(message)) draw();
  }
}

function showExplorer(message: Explorer): void {
  const isFirst = !explorer;
  explorer = message;
  const { root, shown, others } = message;
  keep({ root, run: shown.run, stage: shown.stage, step: shown.step });
  // The choice first: of choices that are there, the list shows the one that it knows.
  beside.set(besides() ? valueOf(besides()!) : '');
  beside.setChoices([
    { value: '', label: 'nothing' },
    ...others.map((one) => ({ value: valueOf(one), label: labelOf(one) })),
  ]);
  if (isFirst) {
    showPage(message);
    asking.recall(choices.shown.flatMap(readAsked));
  }
  draw();
}

function showPage({ shown }: Explorer): void {
  const heading = element('h1', {}, shown.stage);
  const where = element('p', { class: 'small' }, `${shown.title}, step ${shown.step}`);
  const left = element('div', {}, form.root, results.panes);
  const side = element(
    'div',
    { class: 'side' },
    element('div', { class: 'tools' }, layer.root, numbers.root),
    results.side,
  );
  const layout = element('div', { class: 'layout' }, left, side);
  main.replaceChildren(element('header', {}, heading, where), layout, load.root);
  if (!choices.form.prompt) form.focus();
}

/** The checkpoint that stands beside the shown one, if it is still there. */
function besides(): Servable | undefined {
  return explorer?.others.find((one) => choices.beside && valueOf(one) === valueOf(choices.beside));
}

function valueOf({ run, stage, step }: CheckpointName): string {
  return JSON.stringify({ run, stage, step });
}

function labelOf({ run, stage, step, title }: Servable): string {
  const { shown } = explorer!;
  const parts = [stage, ...(stage === shown.stage && run === shown.run ? [`step ${step}`] : [])];
  return run === shown.run ? parts.join(', ') : `${parts.join(', ')}, ${title}`;
}

function askedOf({ run, stage, step }: CheckpointName, settings: Settings): Asked {
  return { checkpoint: { run, stage, step }, ...settings };
}

/** Asks for what the form says, of every checkpoint and routing that is chosen. */
function generate(settings: Settings): void {
  if (!explorer) return;
  const wanted: { side: Side; asked: Asked }[] = [{ side: 'shown', asked: askedOf(explorer.shown, settings) }];
  const { change } = choices;
  if (isChanged(change)) wanted.push({ side: 'changed', asked: { ...wanted[0]!.asked, routing: change } });
  const other = besides();
  if (other) wanted.push({ side: 'beside', asked: askedOf(other, settings) });
  asking.generate(wanted);
  keep({ shown: asking.answers.map(({ id, side, asked }) => ({ id, side, asked: JSON.stringify(asked) })) });
  draw();
}

/** Asks again after a choice, where something is shown. */
function again(): void {
  const { settings } = form;
  if (asking.answers.length && settings) generate(settings);
  else draw();
}

function keep(next: Partial<Choices>): void {
  choices = { ...choices, ...next };
  host.keep(choices);
}

/** Draws what depends on answers and choices. */
function draw(): void {
  if (!explorer) return;
  const { answers, isBusy } = asking;
  const view = offerLayers(answers[0]?.model?.layers);
  // Until somebody chooses, the theme does.
  const showsNumbers = choices.showsNumbers ?? isHighContrast();
  numbers.set(showsNumbers);
  results.draw(answers, { view, showsNumbers, change: choices.change }, nameOf);
  load.draw({ view, palette: results.colors });
  const open = answers.filter(({ end }) => !end);
  const progress = explorer.isTrusted
    ? open.map((answer) => `${nameOf(answer)}: ${progressOf(answer)}`).join('; ')
    : 'This workspace is not trusted, so nothing in it is run.';
  form.show({ progress, isBusy, isAble: explorer.isTrusted });
}

/** Offers so many layers to colour tokens by, and returns what is chosen; as before while the number is not known yet. */
function offerLayers(layers: number | undefined): View {
  const count = layers ?? offered;
  const view = choices.view === 'all' || choices.view < count ? choices.view : 'all';
  layer.set(String(view));
  if (count !== offered) {
    offered = count;
    const one = Array.from({ length: count }, (_, i) => ({ value: String(i), label: `layer ${i}` }));
    layer.setChoices([{ value: 'all', label: 'all layers' }, ...one]);
  }
  return view;
}

function nameOf({ side, asked }: Answer): string {
  if (side !== 'beside')
    return side === 'changed' ? `${asked.checkpoint.stage}, routing changed` : asked.checkpoint.stage;
  const other = besides();
  return other ? labelOf(other) : asked.checkpoint.stage;
}

onThemeChange(() => {
  results.forgetColors();
  draw();
});
host.send({ type: 'ready' });
