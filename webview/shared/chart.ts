import uPlot from 'uplot';
import { align, nearest } from './align';
import { element } from './dom';
import { Legend } from './legend';
import { type DrawnLine, linesOf } from './lines';
import { onThemeChange } from './palette';
import { HEIGHT, penOf, plotOptions } from './plot-options';
import type { Series } from './series';

/** How near a click must be to a point, in pixels. */
const CLICK_DISTANCE = 16;
/** A click opens the file only when it was not the first half of a double-click; milliseconds. */
const DOUBLE_CLICK = 250;
/** Parts of the seen range by which a key moves or zooms. */
const PAN = 0.2;
const ZOOM = 0.6;
const KEYS = 'arrows: read points; shift and arrows: move; plus and minus: zoom; 0: show all; Enter: open in the file';

/** How a chart looks. */
export interface ChartOptions {
  /** What is drawn, for screen readers. */
  name: string;
  xLabel: string;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
  isLogX: boolean;
  isLogY: boolean;
  /** Points on each side over which a running mean goes; the raw line stays pale behind it. 0 for none. */
  smoothing: number;
  /** Called with the label of a series whose point was clicked, or that Enter was pressed on. */
  open?: (label: string) => void;
}

interface Range {
  min: number;
  max: number;
}

/** A chart of curves: drag to zoom, shift-drag to move, double-click to see all again; the same by keyboard. */
export class Chart {
  readonly root = element('div', { class: 'chart' });
  private readonly holder = element('div', { class: 'plot', tabindex: 0, role: 'application' });
  private readonly live = element('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  private readonly legend = new Legend((label, isShown) => this.toggle(label, isShown));
  private readonly hidden = new Set<string>();
  private plot: uPlot | undefined;
  private options: ChartOptions | undefined;
  private series: readonly Series[] = [];
  /** As drawn; the last ones are those of the series. */
  private lines: DrawnLine[] = [];
  /** The range that the user chose; `undefined` for all. */
  private zoom: Range | undefined;
  /** What the plot was built for; another shape needs another plot. */
  private shape = '';
  private opening: number | undefined;
  private isVisible = false;
  private isStale = false;

  constructor() {
    this.root.append(this.holder, this.legend.root, this.live);
    new ResizeObserver(() => this.resize()).observe(this.holder);
    const watch = new IntersectionObserver(
      (entries) => {
        this.isVisible = entries.at(-1)?.isIntersecting ?? false;
        if (this.isVisible && this.isStale) this.refresh();
      },
      { rootMargin: '300px' },
    );
    watch.observe(this.root);
    onThemeChange(() => this.rebuild());
    this.holder.addEventListener('keydown', (event) => this.pressKey(event));
  }

  /** Shows these curves; what the user zoomed to and hid stays. Drawn only once it is near the visible part of the page. */
  draw(series: readonly Series[], options: ChartOptions): void {
    const previous = this.options;
    if (previous && (previous.xLabel !== options.xLabel || previous.isLogX !== options.isLogX)) this.zoom = undefined;
    this.series = series;
    this.options = options;
    this.isStale = true;
    this.holder.setAttribute('aria-label', `${options.name}. Chart; ${KEYS}.`);
    if (this.isVisible) this.refresh();
  }

  /** Shows a part of the x axis; `undefined` shows all. */
  setRange(range: Range | undefined): void {
    this.zoom = range;
    this.drawRange();
  }

  /** The part of the x axis that is seen. */
  get range(): Range {
    return this.zoom ?? this.extent();
  }

  /** The names of the curves that the legend shows, and the drawing; for a picture. */
  get picture(): { canvas: HTMLCanvasElement | undefined; entries: readonly Series[] } {
    if (this.isStale) this.refresh();
    return { canvas: this.plot?.ctx.canvas, entries: this.series.filter(({ label }) => !this.hidden.has(label)) };
  }

  private refresh(): void {
    const { options, series } = this;
    if (!options || !this.holder.clientWidth) return;
    this.isStale = false;
    this.lines = linesOf(series, options.smoothing);
    const looks = this.lines.map(({ label, color, role, isMarked }) => [label, color, role, isMarked]);
    const shape = JSON.stringify([looks, options.xLabel, options.isLogX, options.isLogY]);
    if (shape === this.shape) this.drawRange();
    else {
      this.shape = shape;
      this.rebuild();
    }
  }

  private rebuild(): void {
    const { options } = this;
    const width = this.holder.clientWidth;
    if (!options || !width || !this.shape) return;
    this.plot?.destroy();
    const hooks: uPlot.Hooks.Arrays = {
      setSelect: [(plot) => this.zoomToSelection(plot)],
      setCursor: [() => this.showValues()],
    };
    const bind: uPlot.Cursor.Bind = {
      mousedown: (_, __, handler) => (event) => (event.shiftKey ? this.drag(event) : handler(event)),
      dblclick: () => () => {
        window.clearTimeout(this.opening);
        this.setRange(undefined);
        return null;
      },
    };
    const empty = [[], ...this.lines.map(() => [])] as uPlot.AlignedData;
    const made = plotOptions({ width, ...options }, this.lines, hooks, bind);
    // Hidden from the start: hiding a curve of a plot without data fixes the range of its values at nothing.
    this.lines.forEach(({ label }, i) => (made.series[i + 1]!.show = !this.hidden.has(label)));
    this.plot = new uPlot(made, empty, this.holder);
    let pressedAt = 0;
    this.plot.over.addEventListener('mousedown', ({ clientX }) => (pressedAt = clientX));
    this.plot.over.addEventListener('click', (event) => {
      window.clearTimeout(this.opening);
      const isDrag = event.shiftKey || Math.abs(event.clientX - pressedAt) > 2;
      if (!isDrag) this.opening = window.setTimeout(() => this.openNear(event), DOUBLE_CLICK);
    });
    this.legend.draw(this.series, this.hidden);
    this.drawRange();
  }

  private drawRange(): void {
    const { plot, options } = this;
    if (!plot || !options) return;
    const range = this.range;
    const width = Math.max(1, Math.round(plot.over.clientWidth || plot.width));
    const { x, y } = align(this.lines, { ...range, isLog: options.isLogX, width });
    this.lines.forEach((one, i) => {
      Object.assign(plot.series[i + 1]!, penOf(one, y[i]!));
    });
    plot.batch(() => {
      plot.setData([x, ...y], false);
      plot.setScale('x', range);
    });
    this.showValues();
  }

  /** From the first to the last point of all shown curves; a single point gets room on both sides. */
  private extent(): Range {
    const curves = this.lines.filter(({ x, label }) => x.length && !this.hidden.has(label));
    const isLog = this.options?.isLogX ?? false;
    const starts = curves.map(({ x }) => (isLog ? x.find((value) => value > 0) : x[0]) ?? Infinity);
    const min = Math.min(...starts);
    const max = Math.max(...curves.map(({ x }) => x.at(-1)!));
    if (!(min <= max)) return { min: isLog ? 1 : 0, max: isLog ? 10 : 1 };
    if (min < max) return { min, max };
    return isLog ? { min: min / 2, max: max * 2 } : { min: min - 1, max: max + 1 };
  }

  private resize(): void {
    if (this.isStale && this.isVisible) this.refresh();
    const width = this.holder.clientWidth;
    if (!this.plot || !width || width === this.plot.width) return;
    this.plot.setSize({ width, height: HEIGHT });
    this.drawRange();
  }

  private toggle(label: string, isShown: boolean): void {
    if (isShown) this.hidden.delete(label);
    else this.hidden.add(label);
    this.lines.forEach((one, i) => one.label === label && this.plot?.setSeries(i + 1, { show: isShown }));
    this.drawRange();
  }

  /** Values of every series at the cursor, or their last ones. */
  private valuesAt(x: number | undefined): string[] {
    const firstLine = this.lines.length - this.series.length;
    return this.series.map((_, i) => {
      const curve = this.lines[firstLine + i]!;
      const value = curve.y[x === undefined ? curve.y.length - 1 : nearest(curve, x)];
      return value === undefined || !Number.isFinite(value) ? '-' : this.options!.formatY(value);
    });
  }

  private cursorX(): number | undefined {
    const left = this.plot?.cursor.left ?? -1;
    return this.plot && left >= 0 ? this.plot.posToVal(left, 'x') : undefined;
  }

  private showValues(): void {
    if (this.plot) this.legend.show(this.valuesAt(this.cursorX()));
  }

  private zoomToSelection(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 2) return;
    const range = { min: plot.posToVal(left, 'x'), max: plot.posToVal(left + width, 'x') };
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.setRange(range);
  }

  /** Moves the seen part while the mouse is down. */
  private drag(start: MouseEvent): null {
    const { range } = this;
    const width = this.plot?.over.clientWidth || 1;
    const move = (event: MouseEvent): void =>
      this.setRange(this.shifted(range, (start.clientX - event.clientX) / width));
    window.addEventListener('mousemove', move);
    window.addEventListener('mouseup', () => window.removeEventListener('mousemove', move), { once: true });
    return null;
  }

  /** A range moved by a part of itself and made `scale` times as long, the same way on a logarithmic axis. */
  private shifted({ min, max }: Range, part: number, scale = 1): Range {
    const isLog = this.options?.isLogX ?? false;
    const [low, high] = isLog ? [Math.log(min), Math.log(max)] : [min, max];
    const center = (low + high) / 2 + part * (high - low);
    const half = (scale * (high - low)) / 2;
    const ends = { min: center - half, max: center + half };
    return isLog ? { min: Math.exp(ends.min), max: Math.exp(ends.max) } : ends;
  }

  private openNear({ offsetX, offsetY }: MouseEvent): void {
    const { plot } = this;
    if (!plot) return;
    const x = plot.posToVal(offsetX, 'x');
    const distances = this.lines.map((one) => {
      const at = nearest(one, x);
      if (at < 0 || this.hidden.has(one.label)) return Infinity;
      const across = plot.valToPos(one.x[at]!, 'x') - offsetX;
      return Math.hypot(across, plot.valToPos(one.y[at]!, 'y') - offsetY);
    });
    const closest = Math.min(...distances);
    if (closest <= CLICK_DISTANCE) this.options?.open?.(this.lines[distances.indexOf(closest)]!.label);
  }

  private pressKey(event: KeyboardEvent): void {
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.step(-1, event.shiftKey),
      ArrowRight: () => this.step(1, event.shiftKey),
      '+': () => this.setRange(this.shifted(this.range, 0, ZOOM)),
      '-': () => this.setRange(this.shifted(this.range, 0, 1 / ZOOM)),
      '0': () => this.setRange(undefined),
      Enter: () => this.openFirst(),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }

  /** Moves the seen part, or the cursor to the next point that is drawn, whose values are then spoken. */
  private step(direction: number, isPan: boolean): void {
    const { plot } = this;
    if (!plot) return;
    if (isPan) return this.setRange(this.shifted(this.range, direction * PAN));
    const x = plot.data[0];
    const { min, max } = this.range;
    const start = direction > 0 ? -1 : x.length;
    let at = (plot.cursor.left ?? -1) >= 0 ? (plot.cursor.idx ?? start) : start;
    const isSeen = (i: number): boolean =>
      x[i]! >= min && x[i]! <= max && plot.data.slice(1).some((values) => values[i] !== null);
    do at += direction;
    while (at >= 0 && at < x.length && !isSeen(at));
    if (at < 0 || at >= x.length) return;
    plot.setCursor({ left: plot.valToPos(x[at]!, 'x'), top: plot.over.clientHeight / 2 });
    const { formatX, xLabel } = this.options!;
    const values = this.valuesAt(x[at]).map((value, i) => `${this.series[i]!.label} ${value}`);
    this.live.textContent = `${xLabel} ${formatX(x[at]!)}: ${values.join(', ')}`;
  }

  private openFirst(): void {
    const first = this.series.find(({ label }) => !this.hidden.has(label));
    if (first) this.options?.open?.(first.label);
  }
}
