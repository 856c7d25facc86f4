import { formatMeasure } from '../../src/base/format';
import type { ComparisonRequest } from '../../src/messages/contract';
import { checkbox, dropdown, radios, type Selection } from '../shared/controls';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { X_AXES, type XAxis } from '../shared/x-axis';
import type { Choices } from './choices';
import { AVERAGE, type Comparison, curvesOf, domainsOf, stagesOf } from './model';

/** What a section can ask for. */
export interface Actions {
  send(request: ComparisonRequest): void;
  /** Keeps choices and draws the page anew. */
  choose(choices: Partial<Choices>): void;
}

/** Held-out perplexity of all runs: a chart for each stage, or for each domain of one stage; one colour and dash a run. */
export class CurvesSection {
  readonly root = element('section', { 'aria-labelledby': 'curves-heading' });
  private readonly figures: Figures;
  private readonly domain: Selection;
  private readonly stage: Selection;
  private readonly nothing = element('p', {}, 'No stage has been evaluated yet.');

  constructor(
    private readonly actions: Actions,
    choices: Choices,
  ) {
    const { choose, send } = actions;
    this.figures = new Figures(send);
    this.domain = dropdown('perplexity of', [], choices.domain, (domain) => choose({ domain }));
    this.stage = dropdown('stage', [], choices.stage, (stage) => choose({ stage }));
    const axes = Object.entries(X_AXES).map(([value, { label }]) => ({ value, label }));
    const by = ['stage', 'domain'].map((value) => ({ value, label: value }));
    const controls = [
      radios('one chart for each', by, choices.by, (value) => choose({ by: value as Choices['by'] })),
      this.domain,
      this.stage,
      dropdown('x axis', axes, choices.xAxis, (xAxis) => choose({ xAxis: xAxis as XAxis })),
      checkbox('logarithmic x', choices.isLogX, (isLogX) => choose({ isLogX })),
      checkbox('logarithmic values', choices.isLogY, (isLogY) => choose({ isLogY })),
    ];
    const tools = element('div', { class: 'tools' }, ...controls.map(({ root }) => root));
    this.root.append(element('h2', { id: 'curves-heading' }, 'Curves'), tools, this.nothing, this.figures.root);
  }

  draw(comparison: Comparison, choices: Choices): void {
    const isByStage = choices.by === 'stage';
    const stages = stagesOf(comparison);
    const asChoices = (names: readonly string[]): { value: string; label: string }[] =>
      names.map((value) => ({ value, label: value }));
    this.domain.setChoices(asChoices([AVERAGE, ...domainsOf(comparison)]));
    // The last stage first: mixtures come after the specialists that they are made of.
    this.stage.setChoices(asChoices(stages.toReversed()));
    this.domain.root.hidden = !isByStage;
    this.stage.root.hidden = isByStage;
    const contents = isByStage
      ? stages.map((stage) => this.figure(comparison, choices, stage, this.domain.get(), stage))
      : [AVERAGE, ...domainsOf(comparison)].map((domain) =>
          this.figure(comparison, choices, this.stage.get(), domain, domain),
        );
    const shown = contents.filter(({ series }) => series.length);
    this.nothing.hidden = shown.length > 0;
    this.figures.draw(shown);
  }

  private figure(
    comparison: Comparison,
    { by, xAxis, isLogX, isLogY }: Choices,
    stage: string,
    domain: string,
    title: string,
  ): FigureContent {
    const series = curvesOf(comparison, stage, domain, xAxis);
    const { label, format } = X_AXES[xAxis];
    const detail = `held-out perplexity, ${by === 'stage' ? domain : stage}`;
    const looks = { xLabel: label, formatX: format, formatY: formatMeasure, isLogX, isLogY, smoothing: 0 };
    return {
      id: `${by} ${title}`,
      title,
      detail,
      series,
      options: { ...looks, open: this.opening(comparison, stage) },
    };
  }

  /** Opens the file of the run whose curve was clicked; labels begin with its letter. */
  private opening({ runs }: Comparison, stage: string): (label: string) => void {
    return (label) => {
      const run = runs[label.charCodeAt(0) - 65];
      if (run) this.actions.send({ type: 'open', run: run.id, stage });
    };
  }
}
