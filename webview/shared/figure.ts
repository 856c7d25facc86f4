import type { Save } from '../../src/messages/contract';
import { Chart, type ChartOptions } from './chart';
import type { Series } from './series';
import { dataTable } from './data-table';
import { element } from './dom';
import { type Numbers, savePicture, saveText, toCsv } from './export';
import { seriesNumbers } from './series-numbers';
import { strokeOf, themeColor } from './palette';

/** A figure's buttons and the room for its content. */
export interface Frame {
  root: HTMLElement;
  setTitle(title: string, detail?: string): void;
  /** Draws the table of numbers anew if it is open. */
  refreshTable(): void;
}

/** What a figure can be saved as. `picture` is `undefined` where nothing is drawn yet. */
export interface FrameContent {
  content: HTMLElement;
  numbers: () => Numbers;
  format?: (value: number, column: number) => string;
  picture: () => HTMLCanvasElement | undefined;
}

/** A titled figure with buttons: save as PNG, save as CSV, show the numbers as a table. */
export function figureFrame({ content, numbers, format, picture }: FrameContent, save: (request: Save) => void): Frame {
  const heading = element('span', { class: 'figure-title' });
  const table = element('div', { hidden: true });
  let title = '';
  const showTable = (): void => table.replaceChildren(dataTable(title, numbers(), format));
  const tool = (label: string, press: (button: HTMLElement) => void): HTMLElement => {
    const made = element('button', { type: 'button' }, label);
    made.addEventListener('click', () => press(made));
    return made;
  };
  const png = tool('PNG', () => {
    const canvas = picture();
    if (canvas) save(savePicture(title, canvas));
  });
  const csv = tool('CSV', () => save(saveText(title, 'csv', toCsv(numbers()))));
  const toggle = tool('Table', (button) => {
    table.hidden = !table.hidden;
    button.setAttribute('aria-pressed', String(!table.hidden));
    if (!table.hidden) showTable();
  });
  toggle.setAttribute('aria-pressed', 'false');
  const tools = element('span', { class: 'figure-tools' }, png, csv, toggle);
  const root = element('figure', {}, element('figcaption', {}, heading, tools), content, table);
  return {
    root,
    setTitle: (next, detail = '') => {
      title = detail ? `${next}, ${detail}` : next;
      heading.replaceChildren(next, ' ', element('span', { class: 'small' }, detail));
      for (const button of [png, csv, toggle]) button.setAttribute('aria-label', `${button.textContent} of ${title}`);
    },
    refreshTable: () => {
      if (!table.hidden) showTable();
    },
  };
}

/** A chart in a figure. Its numbers are the points of its curves, a row for each place on the x axis. */
export class ChartFigure {
  readonly chart = new Chart();
  private readonly frame: Frame;
  private series: readonly Series[] = [];
  private options: ChartOptions | undefined;
  private title = '';

  constructor(save: (request: Save) => void) {
    const numbers = (): Numbers => seriesNumbers(this.options?.xLabel ?? 'x', this.series);
    const format = (value: number, column: number): string =>
      column ? (this.options?.formatY(value) ?? '') : (this.options?.formatX(value) ?? '');
    const picture = (): HTMLCanvasElement | undefined => chartPicture(this.title, this.chart);
    this.frame = figureFrame({ content: this.chart.root, numbers, format, picture }, save);
  }

  get root(): HTMLElement {
    return this.frame.root;
  }

  /** Shows these curves under a title; `detail` says in small print what they are. */
  draw(title: string, detail: string, series: readonly Series[], options: Omit<ChartOptions, 'name'>): void {
    this.series = series;
    this.title = `${title}, ${detail}`;
    this.options = { ...options, name: this.title };
    this.frame.setTitle(title, detail);
    this.chart.draw(series, this.options);
    this.frame.refreshTable();
  }
}

/** The chart as a picture of its own: with the title, the names of the curves and the page's background. */
function chartPicture(title: string, chart: Chart): HTMLCanvasElement | undefined {
  const { canvas, entries } = chart.picture;
  if (!canvas) return undefined;
  const scale = window.devicePixelRatio;
  const line = 20 * scale;
  const made = element('canvas', { width: canvas.width, height: canvas.height + line * (entries.length + 2) });
  const to = made.getContext('2d')!;
  to.fillStyle = themeColor('--page');
  to.fillRect(0, 0, made.width, made.height);
  to.font = `${13 * scale}px system-ui`;
  to.textBaseline = 'middle';
  to.fillStyle = themeColor('--text');
  to.fillText(title, line / 2, line * 0.75);
  to.drawImage(canvas, 0, line * 1.5);
  entries.forEach(({ label, color }, i) => {
    const y = canvas.height + line * (i + 2);
    const stroke = strokeOf(color);
    to.strokeStyle = stroke.color;
    to.lineWidth = 2 * scale;
    to.setLineDash(stroke.dash.map((part) => part * scale));
    to.beginPath();
    to.moveTo(line / 2, y);
    to.lineTo(line * 2, y);
    to.stroke();
    to.fillText(label, line * 2.5, y);
  });
  return made;
}
