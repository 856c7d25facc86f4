import type { Save } from '../../src/messages/contract';
import type { ChartOptions } from './chart';
import type { Series } from './series';
import { element, showExactly } from './dom';
import { ChartFigure } from './figure';

/** One chart of a list. `id` stays the same while what it shows changes. */
export interface FigureContent {
  id: string;
  title: string;
  /** In small print: what the curves are. */
  detail: string;
  series: readonly Series[];
  options: Omit<ChartOptions, 'name'>;
}

/** Charts beside and below each other; those that stay keep their zoom and their hidden curves. */
export class Figures {
  readonly root = element('div', { class: 'charts' });
  private readonly figures = new Map<string, ChartFigure>();

  constructor(private readonly save: (request: Save) => void) {}

  /** Shows exactly these charts, in this order. */
  draw(contents: readonly FigureContent[]): void {
    const shown = contents.map((content) => this.figure(content).root);
    showExactly(this.root, shown);
    for (const content of contents) {
      this.figure(content).draw(content.title, content.detail, content.series, content.options);
    }
  }

  /** The figure with this id; `undefined` where it was never shown. */
  find(id: string): HTMLElement | undefined {
    return this.figures.get(id)?.root;
  }

  private figure({ id }: FigureContent): ChartFigure {
    const figure = this.figures.get(id) ?? new ChartFigure(this.save);
    this.figures.set(id, figure);
    return figure;
  }
}
