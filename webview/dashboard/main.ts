import './dashboard.css';
import { type DashboardMessage, dashboardMessage, type DashboardRequest, type Run } from '../../src/messages/contract';
import { element } from '../shared/dom';
import { connect } from '../shared/host';
import { PointStore } from '../shared/stage-data';
import { Alerts } from './alerts';
import { type Choices, readChoices } from './choices';
import { CurvesSection, LOSSES, TRAINING } from './curves';
import { StageGraph } from './graph';
import { Header } from './header';
import { HeldOutRoutingSection } from './held-out-routing';
import type { Actions, Section } from './page';
import { PerplexitySection } from './perplexity';
import { ResultsSection } from './results';
import { RouterLoadSection } from './router-load';
import { chartToolbar } from './toolbar';
import { UtilizationSection } from './utilization';

const main = document.getElementById('main')!;
const host = connect<DashboardMessage, DashboardRequest>(dashboardMessage, receive);
const points = new PointStore();
let choices = readChoices(host.state());
let run: Run | undefined;
let isDue = false;

const actions: Actions = { send: (request) => host.send(request), choose };
const perplexity = new PerplexitySection(actions, choices);
const sections: Section[] = [
  new Header(actions),
  new Alerts(actions),
  new StageGraph(actions),
  new ResultsSection(),
  chartToolbar(choices, actions),
  perplexity,
  new RouterLoadSection(actions, choices),
  new UtilizationSection(actions, choices),
  new HeldOutRoutingSection(actions),
  new CurvesSection(actions, 'Losses', LOSSES),
  new CurvesSection(actions, 'Training', TRAINING),
];

function receive(message: DashboardMessage): void {
  switch (message.type) {
    case 'run':
      if (!run) showPage();
      run = message.run;
      choose({ root: message.root, run: run.id });
      return;
    case 'points':
      points.add(message);
      return redraw();
    case 'show':
      choose({ stage: message.stage });
      return showStage(message.stage);
    case 'gone':
      run = undefined;
      main.replaceChildren(element('p', { role: 'alert' }, message.message));
  }
}

function showPage(): void {
  main.replaceChildren(...sections.map(({ root }) => root));
}

function choose(next: Partial<Choices>): void {
  choices = { ...choices, ...next };
  host.keep(choices);
  redraw();
}

/** Draws once for many messages. */
function redraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(draw);
}

function draw(): void {
  isDue = false;
  if (!run) return;
  const page = { run, points, choices };
  for (const section of sections) section.draw(page);
}

/** Brings a stage's charts into view, once they are drawn. */
function showStage(stage: string): void {
  requestAnimationFrame(() => perplexity.figureOf(stage)?.scrollIntoView({ block: 'center' }));
}

host.send({ type: 'ready' });
