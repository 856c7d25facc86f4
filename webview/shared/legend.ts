import { element, svgElement } from './dom';
import { strokeOf } from './palette';

/** A name in the legend. */
export interface LegendEntry {
  label: string;
  color: number | null;
}

/** The names of a chart's curves as buttons, so that the keyboard reaches them: each shows or hides its curve. */
export class Legend {
  readonly root = element('div', { class: 'legend' });
  private outputs: HTMLElement[] = [];

  constructor(private readonly toggle: (label: string, isShown: boolean) => void) {}

  /** Draws the legend anew. */
  draw(entries: readonly LegendEntry[], hidden: ReadonlySet<string>): void {
    this.outputs = [];
    this.root.replaceChildren(...entries.map((entry) => this.entryButton(entry, !hidden.has(entry.label))));
  }

  /** Writes values beside the names. */
  show(values: readonly string[]): void {
    values.forEach((value, i) => {
      const output = this.outputs[i];
      if (output && output.textContent !== value) output.textContent = value;
    });
  }

  private entryButton({ label, color }: LegendEntry, isShown: boolean): HTMLElement {
    const output = element('span', { class: 'value' });
    this.outputs.push(output);
    const made = element('button', { type: 'button', 'aria-pressed': String(isShown) }, swatch(color), label, output);
    made.addEventListener('click', () => {
      const next = made.getAttribute('aria-pressed') !== 'true';
      made.setAttribute('aria-pressed', String(next));
      this.toggle(label, next);
    });
    return made;
  }
}

/** A short piece of a curve's line. */
function swatch(color: number | null): SVGElement {
  const { dash } = strokeOf(color);
  const variable = color === null ? '--text' : `--c${color % 8}`;
  const line = svgElement('path', {
    d: 'M0 4H28',
    'stroke-dasharray': dash.join(' '),
    'stroke-width': color === null ? 3 : 2,
  });
  line.style.stroke = `var(${variable})`;
  return svgElement('svg', { viewBox: '0 0 28 8', class: 'swatch', 'aria-hidden': 'true' }, line);
}
