import { formatMeasure } from '../../src/base/format';
import type { Stage } from '../../src/messages/contract';
import type { Series } from '../shared/chart';
import { checkbox, radios } from '../shared/controls';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { xOfEvaluations, xOfSteps } from '../shared/x-axis';
import type { Choices } from './choices';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';

const AVERAGE = 'average';
const TRAINING = 'training batches';

/** Perplexity: a chart for each stage with a curve a domain, or a chart for each domain with a curve a stage. */
export class PerplexitySection implements Section {
  readonly root = element('section', { 'aria-labelledby': 'perplexity-heading' });
  private readonly figures: Figures;
  private readonly nothing = element('p', {}, 'No stage has such points yet.');

  constructor(
    private readonly actions: Actions,
    choices: Choices,
  ) {
    const { choose, send } = actions;
    this.figures = new Figures(send);
    const by = [
      { value: 'stage', label: 'stage' },
      { value: 'domain', label: 'domain' },
    ];
    const controls = [
      radios('one chart for each', by, choices.perplexityBy, (value) =>
        choose({ perplexityBy: value as Choices['perplexityBy'] }),
      ),
      checkbox('held-out text', choices.showsHeldOut, (showsHeldOut) => choose({ showsHeldOut })),
      checkbox('training batches', choices.showsTraining, (showsTraining) => choose({ showsTraining })),
    ];
    const tools = element('div', { class: 'tools' }, ...controls.map(({ root }) => root));
    this.root.append(element('h2', { id: 'perplexity-heading' }, 'Perplexity'), tools, this.nothing, this.figures.root);
  }

  draw(page: Page): void {
    const contents = page.choices.perplexityBy === 'stage' ? this.byStage(page) : this.byDomain(page);
    const shown = contents.filter(({ series }) => series.length);
    this.nothing.hidden = shown.length > 0;
    this.figures.draw(shown);
  }

  /** The chart of a stage; `undefined` where there is none. */
  figureOf(stage: string): HTMLElement | undefined {
    return this.figures.find(`stage ${stage}`);
  }

  private byStage(page: Page): FigureContent[] {
    const { run, choices } = page;
    return run.stages.map((stage) => {
      const lines = choices.showsHeldOut ? [...run.domains, AVERAGE] : [];
      const held = lines.map((line, color) => heldOut(page, stage, line, line, line === AVERAGE ? null : color));
      const training = choices.showsTraining ? [trainingLine(page, stage, TRAINING, run.domains.length)] : [];
      const series = [...training, ...held].filter(({ x }) => x.length);
      const options = { ...chartOptions(page, formatMeasure), open: () => openStage(this.actions, run, stage.name) };
      return { id: `stage ${stage.name}`, title: stage.name, detail: detailOf(choices), series, options };
    });
  }

  private byDomain(page: Page): FigureContent[] {
    const { run, choices } = page;
    const lines = choices.showsHeldOut ? [...run.domains, AVERAGE] : [];
    const options = {
      ...chartOptions(page, formatMeasure),
      open: (stage: string) => openStage(this.actions, run, stage),
    };
    const charts = lines.map((line) => {
      const series = run.stages.map((stage, color) => heldOut(page, stage, line, stage.name, color));
      return { id: `domain ${line}`, title: line, detail: 'held-out perplexity', series, options };
    });
    if (choices.showsTraining) {
      const series = run.stages.map((stage, color) => trainingLine(page, stage, stage.name, color));
      charts.push({ id: 'training', title: TRAINING, detail: 'perplexity', series, options });
    }
    return charts.map((chart) => ({ ...chart, series: chart.series.filter(({ x }) => x.length) }));
  }
}

function detailOf({ showsHeldOut, showsTraining }: Choices): string {
  if (showsHeldOut && showsTraining) return 'perplexity';
  return showsHeldOut ? 'held-out perplexity' : 'perplexity of training batches';
}

function heldOut(
  { run, points, choices }: Page,
  stage: Stage,
  domain: string,
  label: string,
  color: number | null,
): Series {
  const data = points.of(run.id, stage.name);
  const of = domain === AVERAGE ? data.evaluations : data.evaluations.filter(({ perplexity }) => domain in perplexity);
  const y = Float64Array.from(of, ({ average, perplexity }) => (domain === AVERAGE ? average : perplexity[domain]!));
  return { label, color, isMarked: true, x: xOfEvaluations(data, of, choices.xAxis), y };
}

function trainingLine({ run, points, choices }: Page, { name }: Stage, label: string, color: number): Series {
  const data = points.of(run.id, name);
  return { label, color, x: xOfSteps(data, choices.xAxis), y: data.columns.languageModel.values.map(Math.exp) };
}
