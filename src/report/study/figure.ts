import { formatCount, formatMeasure } from '../../base/format';
import { html, type Html } from '../html';
import type { StudyCurve } from './study';

const SIZE = { width: 520, height: 300, left: 56, right: 12, top: 10, bottom: 30 };
const TICKS = 5;
/** Colours and dashes of the style sheet. */
const LINES = 8;

/** Average perplexity over tokens and over FLOPs, as pictures without scripts, with one legend. */
export function perplexityFigures(curves: readonly StudyCurve[]): Html {
  const names = curves.map(
    ({ group }, i) =>
      html`<li>
        <svg class="swatch" viewBox="0 0 28 8" aria-hidden="true">
          <line class="${lineClass(i)}" x1="0" x2="28" y1="4" y2="4" />
        </svg>
        ${group}
      </li>`,
  );
  return html`<ul class="key">
      ${names}
    </ul>
    <div class="charts">
      ${figure(curves, 'tokens', 'training tokens of the stage')}
      ${figure(curves, 'flops', 'training FLOPs of the stage')}
    </div>`;
}

/** Colour and dash of a curve; those behind the eighth are pale. */
function lineClass(curve: number): string {
  return `line c${curve % LINES}${curve < LINES ? '' : ' faint'}`;
}

function figure(curves: readonly StudyCurve[], key: 'tokens' | 'flops', over: string): Html {
  const points = curves.flatMap((curve) => curve.points);
  const right = Math.max(...points.map((point) => point[key]));
  const averages = points.map(({ average }) => average);
  const [low, high] = [Math.min(...averages) / 1.05, Math.max(...averages) * 1.05];
  const { width, height } = SIZE;
  const x = (value: number): number => SIZE.left + ((width - SIZE.left - SIZE.right) * value) / right;
  const y = (value: number): number =>
    SIZE.top + ((height - SIZE.top - SIZE.bottom) * Math.log(high / value)) / Math.log(high / low);
  const lines = curves.map(({ points: own }, i) => {
    const places = own.map((point) => `${x(point[key]).toFixed(1)},${y(point.average).toFixed(1)}`);
    return html`<polyline class="${lineClass(i)}" points="${places.join(' ')}" />`;
  });
  const title = `Average held-out perplexity over ${over}`;
  return html`<figure>
    <figcaption>${title} <span class="small">logarithmic perplexity</span></figcaption>
    <svg class="study" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}; numbers in the table below">
      ${axes(right, low, high, x, y)} ${lines}
    </svg>
  </figure>`;
}

function axes(
  right: number,
  low: number,
  high: number,
  x: (value: number) => number,
  y: (value: number) => number,
): Html[] {
  const shares = Array.from({ length: TICKS }, (_, i) => i / (TICKS - 1));
  const across = shares.map((share) => {
    const value = low * (high / low) ** share;
    const at = y(value).toFixed(1);
    return html`<line class="rule" x1="${SIZE.left}" x2="${SIZE.width - SIZE.right}" y1="${at}" y2="${at}" />
      <text x="${SIZE.left - 6}" y="${at}" dy="4" text-anchor="end">${formatMeasure(value)}</text>`;
  });
  const below = shares.map((share) => {
    const anchor = share === 1 ? 'end' : 'middle';
    return html`<text x="${x(share * right).toFixed(1)}" y="${SIZE.height - 8}" text-anchor="${anchor}">
      ${formatCount(share * right)}
    </text>`;
  });
  return [...across, ...below];
}
