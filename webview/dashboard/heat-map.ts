import type { Router, Save } from '../../src/messages/contract';
import { cssColor, mixColors, parseColor, type Rgb, textOn } from '../shared/colors';
import type { Numbers } from '../shared/export';
import { element } from '../shared/dom';
import { figureFrame, type Frame } from '../shared/figure';
import { themeColor } from '../shared/palette';

/** The darkest cell stands for this many times the fair load, or more; as in the report. */
export const DARKEST = 4;
/** Pixels. */
const CELL = { width: 58, height: 28 };
const HEAD = { width: 56, height: 24 };
/** Of the box that scrolls, as in dashboard.css. */
const PADDING = 3;
const FONT = '12px system-ui';

/** What a heat map shows: a row for each layer, a column for each expert. */
export interface HeatMapContent {
  title: string;
  detail: string;
  experts: readonly string[];
  /** How many of them, from the first, are not zero-computation experts. */
  computing: number;
  /** Whether all experts work for every token, whatever their load: none is dead. */
  isSoft: boolean;
  /** One router a layer, all of one kind. */
  layers: readonly Router[];
}

/** The load of one kind of router over layers and experts, drawn on a canvas; arrows move from cell to cell and say its numbers. */
export class HeatMap {
  private readonly canvas = element('canvas', { tabindex: 0, role: 'application' });
  private readonly tip = element('div', { class: 'heat-tip', 'aria-live': 'polite' });
  private readonly frame: Frame;
  private content: HeatMapContent = { title: '', detail: '', experts: [], computing: 0, isSoft: false, layers: [] };
  private chosen: { layer: number; expert: number } | undefined;

  constructor(save: (request: Save) => void, open: () => void) {
    const content = element('div', { class: 'heat' }, element('div', { class: 'heat-scroll' }, this.canvas), this.tip);
    const format = (value: number, column: number): string =>
      column ? String(Number(value.toPrecision(4))) : String(value);
    this.frame = figureFrame(
      { content, numbers: () => heatNumbers(this.content), format, picture: () => this.picture() },
      save,
    );
    this.canvas.addEventListener('mousemove', (event) => this.choose(cellAt(event)));
    this.canvas.addEventListener('mouseleave', () => this.choose(undefined));
    this.canvas.addEventListener('blur', () => this.choose(undefined));
    this.canvas.addEventListener('click', (event) => this.has(cellAt(event)) && open());
    this.canvas.addEventListener('keydown', (event) => this.pressKey(event, open));
  }

  get root(): HTMLElement {
    return this.frame.root;
  }

  /** Pixels of the whole map. */
  get width(): number {
    return this.size.width + 2 * PADDING;
  }

  draw(content: HeatMapContent): void {
    this.content = content;
    const { title, detail, experts, layers } = content;
    this.frame.setTitle(title, detail);
    const size = `${layers.length} layers by ${experts.length} experts`;
    const label = `${title}, ${detail}: load, ${size}. Arrows move from cell to cell, Enter opens the stage in the file.`;
    this.canvas.setAttribute('aria-label', label);
    this.paint();
    this.showTip();
    this.frame.refreshTable();
  }

  private get size(): { width: number; height: number } {
    const { experts, layers } = this.content;
    return {
      width: HEAD.width + experts.length * CELL.width + 1,
      height: HEAD.height + layers.length * CELL.height + 1,
    };
  }

  private paint(): void {
    const { width, height } = this.size;
    const scale = window.devicePixelRatio;
    Object.assign(this.canvas, { width: width * scale, height: height * scale });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const to = this.canvas.getContext('2d')!;
    to.scale(scale, scale);
    paintHeatMap(to, this.content, this.chosen);
  }

  private picture(): HTMLCanvasElement {
    const { width, height } = this.size;
    const scale = window.devicePixelRatio;
    const wide = Math.max(width, 420);
    const made = element('canvas', { width: wide * scale, height: (height + 28) * scale });
    const to = made.getContext('2d')!;
    to.scale(scale, scale);
    to.fillStyle = themeColor('--page');
    to.fillRect(0, 0, wide, height + 28);
    to.fillStyle = themeColor('--text');
    to.font = FONT;
    to.fillText(`${this.content.title}, ${this.content.detail}`, 4, 18);
    to.translate(0, 28);
    paintHeatMap(to, this.content, undefined);
    return made;
  }

  private has(cell: { layer: number; expert: number } | undefined): boolean {
    if (!cell) return false;
    const { layers, experts } = this.content;
    return cell.layer >= 0 && cell.expert >= 0 && cell.layer < layers.length && cell.expert < experts.length;
  }

  private choose(cell: { layer: number; expert: number } | undefined): void {
    const next = this.has(cell) ? cell : undefined;
    if (next?.layer === this.chosen?.layer && next?.expert === this.chosen?.expert) return;
    this.chosen = next;
    this.paint();
    this.showTip();
  }

  private showTip(): void {
    const router = this.chosen && this.content.layers[this.chosen.layer];
    const text = router ? cellText(router, this.content, this.chosen!.expert) : '';
    if (this.tip.textContent !== text) this.tip.textContent = text;
  }

  private pressKey(event: KeyboardEvent, open: () => void): void {
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
    };
    const move = moves[event.key];
    if (event.key === 'Enter') open();
    else if (!move) return;
    event.preventDefault();
    if (!move) return;
    const { layer, expert } = this.chosen ?? { layer: -Math.abs(move[0]), expert: -Math.abs(move[1]) };
    const next = { layer: Math.max(0, layer + move[0]), expert: Math.max(0, expert + move[1]) };
    if (this.has(next)) this.choose(next);
  }
}

function cellAt({ offsetX, offsetY }: MouseEvent): { layer: number; expert: number } {
  return {
    layer: Math.floor((offsetY - HEAD.height) / CELL.height),
    expert: Math.floor((offsetX - HEAD.width) / CELL.width),
  };
}

/** The exact numbers of a cell. */
function cellText(
  { layer, load, meanGate, entropy, maxViolation, deadExperts, ffnPerToken, removed = [] }: Router,
  { experts, computing, isSoft }: HeatMapContent,
  expert: number,
): string {
  const share = load[expert] ?? 0;
  const cell = `load ${share.toFixed(4)}, utilization ${(share * load.length).toFixed(3)}, mean gate ${(meanGate[expert] ?? 0).toFixed(4)}`;
  const whole = [
    `MaxVio ${maxViolation.toFixed(3)}`,
    `entropy ${entropy.toFixed(3)} of ${Math.log(load.length).toFixed(3)}`,
    ...(isSoft ? [] : [`${Number(deadExperts.toFixed(2))} dead`]),
    ...(ffnPerToken === undefined ? [] : [`${ffnPerToken.toFixed(3)} FFN experts a token`]),
  ].join(', ');
  const isDead = share === 0 && !isSoft;
  const kind = expert < computing ? 'expert' : 'zero-computation expert';
  return `Layer ${layer}, ${kind} ${experts[expert] ?? expert}: ${cell}${removed.includes(expert) ? ', pruned' : isDead ? ', dead' : ''}. Layer: ${whole}.`;
}

/** A heat map's numbers: a row for each layer and expert. */
export function heatNumbers({ experts, computing, layers }: HeatMapContent): Numbers {
  const header = [
    'layer',
    'expert',
    'load',
    'utilization',
    'mean gate',
    'MaxVio',
    'entropy',
    'dead experts',
    'pruned',
    'zero-computation',
  ];
  const rows = layers.flatMap(({ layer, load, meanGate, maxViolation, entropy, deadExperts, removed }) =>
    load.map((share, i) => [
      layer,
      experts[i] ?? String(i),
      share,
      share * load.length,
      meanGate[i] ?? null,
      maxViolation,
      entropy,
      deadExperts,
      Number(removed?.includes(i) ?? false),
      Number(i >= computing),
    ]),
  );
  return { header, rows };
}

function paintHeatMap(
  to: CanvasRenderingContext2D,
  { experts, computing, isSoft, layers }: HeatMapContent,
  chosen: { layer: number; expert: number } | undefined,
): void {
  const colors = { page: parseColor(themeColor('--page')), heat: parseColor(themeColor('--heat')) };
  to.font = FONT;
  to.textBaseline = 'middle';
  to.textAlign = 'center';
  to.fillStyle = themeColor('--text');
  experts.forEach((name, i) => {
    to.fillText(name, HEAD.width + (i + 0.5) * CELL.width, HEAD.height / 2, CELL.width - 6);
  });
  layers.forEach(({ layer, load, removed = [] }, row) => {
    const top = HEAD.height + row * CELL.height;
    to.fillStyle = themeColor('--text');
    to.fillText(`layer ${layer}`, HEAD.width / 2, top + CELL.height / 2, HEAD.width - 8);
    load.forEach((share, i) => {
      const left = HEAD.width + i * CELL.width;
      if (removed.includes(i)) paintPruned(to, left, top);
      else paintCell(to, share * load.length, left, top, { ...colors, isDead: share === 0 && !isSoft });
    });
  });
  if (computing < experts.length) paintLine(to, HEAD.width + computing * CELL.width, layers.length);
  if (!chosen) return;
  to.strokeStyle = themeColor('--focus');
  to.lineWidth = 3;
  to.strokeRect(
    HEAD.width + chosen.expert * CELL.width + 1.5,
    HEAD.height + chosen.layer * CELL.height + 1.5,
    CELL.width - 3,
    CELL.height - 3,
  );
}

/** A thick line before a column, with its head. */
function paintLine(to: CanvasRenderingContext2D, left: number, rows: number): void {
  to.fillStyle = themeColor('--text');
  to.fillRect(left - 1, 0, 3, HEAD.height + rows * CELL.height);
}

function paintCell(
  to: CanvasRenderingContext2D,
  utilization: number,
  left: number,
  top: number,
  { page, heat, isDead }: { page: Rgb; heat: Rgb; isDead: boolean },
): void {
  const color = mixColors(page, heat, Math.min(1, utilization / DARKEST));
  to.fillStyle = cssColor(color);
  to.fillRect(left, top, CELL.width, CELL.height);
  if (isDead) hatch(to, left, top);
  to.strokeStyle = themeColor('--frame');
  to.lineWidth = 1;
  to.strokeRect(left + 0.5, top + 0.5, CELL.width, CELL.height);
  to.fillStyle = isDead ? themeColor('--bad') : textOn(color);
  const text = isDead ? 'dead' : utilization.toFixed(2);
  if (isDead) {
    to.lineWidth = 4;
    to.strokeStyle = cssColor(page);
    to.strokeText(text, left + CELL.width / 2, top + CELL.height / 2);
  }
  to.fillText(text, left + CELL.width / 2, top + CELL.height / 2);
}

/** The cell of an expert that was removed, struck out. */
function paintPruned(to: CanvasRenderingContext2D, left: number, top: number): void {
  to.strokeStyle = themeColor('--frame');
  to.lineWidth = 1;
  to.strokeRect(left + 0.5, top + 0.5, CELL.width, CELL.height);
  to.fillStyle = themeColor('--text');
  to.fillText('pruned', left + CELL.width / 2, top + CELL.height / 2);
  to.strokeStyle = themeColor('--text');
  to.beginPath();
  to.moveTo(left + 6, top + CELL.height / 2);
  to.lineTo(left + CELL.width - 6, top + CELL.height / 2);
  to.stroke();
}

/** Slanted lines over the cell of a dead expert: seen without colours. */
function hatch(to: CanvasRenderingContext2D, left: number, top: number): void {
  to.save();
  to.beginPath();
  to.rect(left, top, CELL.width, CELL.height);
  to.clip();
  to.beginPath();
  for (let at = -CELL.height; at < CELL.width; at += 6) {
    to.moveTo(left + at, top + CELL.height);
    to.lineTo(left + at + CELL.height, top);
  }
  to.strokeStyle = themeColor('--bad');
  to.globalAlpha = 0.6;
  to.lineWidth = 1;
  to.stroke();
  to.restore();
}
