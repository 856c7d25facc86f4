import { formatMeasure } from '../../src/base/format';
import { readVariantName } from '../../src/base/variant-name';
import type { EvaluationPoint } from '../../src/messages/contract';
import type { Series } from '../shared/series';
import { checkbox, radios } from '../shared/controls';
import { element } from '../shared/dom';
import { type FigureContent, Figures } from '../shared/figures';
import { seriesOf, type SteppedCurve } from '../shared/join-curves';
import { xOfEvaluations, xOfSteps } from '../shared/x-axis';
import type { Choices } from './choices';
import { type Actions, chartOptions, openStage, type Page, type Section } from './page';
import { groupsOf, type StageGroup } from './stage-groups';

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

  /** The chart of a stage, or of the stages that differ from it in their seed only; `undefined` where there is none. */
  figureOf(stage: string): HTMLElement | undefined {
    return this.figures.find(`stage ${stage}`) ?? this.figures.find(`stage ${readVariantName(stage).group}`);
  }

  private byStage(page: Page): FigureContent[] {
    const { run, choices } = page;
    return groupsOf(run.stages, choices.joinsSeeds).map((group) => {
      const lines = choices.showsHeldOut ? [...run.domains, AVERAGE] : [];
      const held = lines.flatMap((line, i) =>
        heldOut(page, group, line, { label: line, color: line === AVERAGE ? null : i }),
      );
      const look = { label: TRAINING, color: run.domains.length };
      const training = choices.showsTraining ? trainingLine(page, group, look) : [];
      const { label: title } = group;
      const options = { ...chartOptions(page, formatMeasure), open: () => openStage(this.actions, run, title) };
      return { id: `stage ${title}`, title, detail: detailOf(choices), series: [...training, ...held], options };
    });
  }

  private byDomain(page: Page): FigureContent[] {
    const { run, choices } = page;
    const groups = groupsOf(run.stages, choices.joinsSeeds);
    const lines = choices.showsHeldOut ? [...run.domains, AVERAGE] : [];
    const options = {
      ...chartOptions(page, formatMeasure),
      open: (stage: string) => openStage(this.actions, run, stage),
    };
    const charts = lines.map((line) => {
      const series = groups.flatMap((group, color) => heldOut(page, group, line, { label: group.label, color }));
      return { id: `domain ${line}`, title: line, detail: 'held-out perplexity', series, options };
    });
    if (choices.showsTraining) {
      const series = groups.flatMap((group, color) => trainingLine(page, group, { label: group.label, color }));
      charts.push({ id: 'training', title: TRAINING, detail: 'perplexity', series, options });
    }
    return charts;
  }
}

function detailOf({ showsHeldOut, showsTraining }: Choices): string {
  if (showsHeldOut && showsTraining) return 'perplexity';
  return showsHeldOut ? 'held-out perplexity' : 'perplexity of training batches';
}

type LabelAndColor = Pick<Series, 'label' | 'color'>;

function heldOut({ run, points, choices }: Page, group: StageGroup, domain: string, look: LabelAndColor): Series[] {
  const curves = group.stages.flatMap(({ name }): SteppedCurve[] => {
    const data = points.of(run.id, name);
    const has = ({ perplexity }: EvaluationPoint): boolean => domain === AVERAGE || domain in perplexity;
    const of = data.evaluations.filter(has);
    if (!of.length) return [];
    const y = Float64Array.from(of, ({ average, perplexity }) => (domain === AVERAGE ? average : perplexity[domain]!));
    return [{ steps: of.map(({ step }) => step), x: xOfEvaluations(data, of, choices.xAxis), y }];
  });
  return seriesOf(curves, { ...look, isMarked: true });
}

function trainingLine({ run, points, choices }: Page, group: StageGroup, look: LabelAndColor): Series[] {
  const curves = group.stages.flatMap(({ name }): SteppedCurve[] => {
    const data = points.of(run.id, name);
    const steps = data.columns.step.values;
    const y = data.columns.languageModel.values.map(Math.exp);
    return steps.length ? [{ steps, x: xOfSteps(data, choices.xAxis), y }] : [];
  });
  return seriesOf(curves, look);
}
