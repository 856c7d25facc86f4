import { formatCount, formatMeasure } from '../../src/base/format';
import type { StepColumn } from '../../src/messages/contract';
import type { Series } from '../shared/series';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { seriesOf, type SteppedCurve } from '../shared/join-curves';
import { xOfSteps } from '../shared/x-axis';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';
import { groupsOf } from './stage-groups';

/** A column of training steps as a chart. */
interface Measure {
  column: StepColumn;
  title: string;
  detail: string;
  format: (value: number) => string;
  /** Only mixtures have it. */
  isOfRouters?: boolean;
}

export const LOSSES: readonly Measure[] = [
  {
    column: 'languageModel',
    title: 'Language model',
    detail: 'loss of training batches, nats a token',
    format: formatMeasure,
  },
  {
    column: 'loadBalance',
    title: 'Load balancing',
    detail: 'loss before its coefficient',
    format: formatMeasure,
    isOfRouters: true,
  },
  {
    column: 'routerZ',
    title: 'Router z',
    detail: 'loss before its coefficient',
    format: formatMeasure,
    isOfRouters: true,
  },
];

export const TRAINING: readonly Measure[] = [
  { column: 'learningRate', title: 'Learning rate', detail: '', format: (value) => value.toPrecision(3) },
  { column: 'gradientNorm', title: 'Gradient norm', detail: 'before clipping', format: formatMeasure },
  { column: 'tokensPerSecond', title: 'Speed', detail: 'tokens a second', format: formatCount },
  { column: 'residentBytes', title: 'Memory', detail: 'bytes of the trainer process', format: formatCount },
];

/** A chart for each measure, with a curve for each stage. */
export class CurvesSection implements Section {
  readonly root: HTMLElement;
  private readonly figures: Figures;
  private readonly nothing = element('p', {}, 'No step has been trained yet.');

  constructor(
    private readonly actions: Actions,
    title: string,
    private readonly measures: readonly Measure[],
  ) {
    const id = `${title.toLowerCase()}-heading`;
    this.figures = new Figures(actions.send);
    const heading = element('h2', { id }, title);
    this.root = element('section', { 'aria-labelledby': id }, heading, this.nothing, this.figures.root);
  }

  draw(page: Page): void {
    const contents = this.measures.map((measure) => this.content(page, measure)).filter(({ series }) => series.length);
    this.nothing.hidden = contents.length > 0;
    this.figures.draw(contents);
  }

  private content(page: Page, { column, title, detail, format, isOfRouters }: Measure): FigureContent {
    const { run, points, choices } = page;
    const series = groupsOf(run.stages, choices.joinsSeeds).flatMap(({ label, stages }, color): Series[] => {
      const curves = stages.flatMap(({ name }): SteppedCurve[] => {
        const data = points.of(run.id, name);
        const steps = data.columns.step.values;
        if (!steps.length || (isOfRouters && !data.hasRouting)) return [];
        return [{ steps, x: xOfSteps(data, choices.xAxis), y: data.columns[column].values }];
      });
      return seriesOf(curves, { label, color });
    });
    const open = (stage: string): void => openStage(this.actions, run, stage);
    return { id: column, title, detail, series, options: { ...chartOptions(page, format), open } };
  }
}
