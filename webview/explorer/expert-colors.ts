import { element } from '../shared/dom';
import { cssColor, mixColors, parseColor, type Rgb, textOn } from '../shared/colors';
import { COLORS, lineOf } from './lines';
import { isHighContrast, themeColor } from '../shared/palette';

/** How much of an expert's colour a token has at a share of 0 and of 1; in high contrast less, for the line says it. */
const STRENGTH = { usual: [0.1, 0.5], highContrast: [0.08, 0.3] } as const;

/** The colours of this moment's theme. */
export interface Palette {
  page: Rgb;
  heat: Rgb;
  experts: Rgb[];
  strength: readonly [number, number];
}

export function readPalette(): Palette {
  const read = (name: string): Rgb => parseColor(themeColor(name));
  return {
    page: read('--page'),
    heat: read('--heat'),
    experts: Array.from({ length: COLORS }, (_, i) => read(`--c${i}`)),
    strength: isHighContrast() ? STRENGTH.highContrast : STRENGTH.usual,
  };
}

/** What an element of an expert's colour is styled with: the ground by its share of the gates, text that is read on it, a line below. */
export function expertStyle(
  { page, experts, strength }: Palette,
  expert: number,
  share: number,
): Record<string, string> {
  const color = experts[expert % COLORS]!;
  const [least, most] = strength;
  const ground = mixColors(page, color, least + (most - least) * share);
  return {
    backgroundColor: cssColor(ground),
    color: textOn(ground),
    borderBottomColor: cssColor(color),
    borderBottomStyle: lineOf(expert),
  };
}

/** An expert's number in its colour. */
export function swatch(palette: Palette, expert: number): HTMLElement {
  const made = element('span', { class: 'swatch-number' }, String(expert));
  Object.assign(made.style, expertStyle(palette, expert, 1));
  return made;
}

/** A cell of a heat table, by a weight from 0 to 1. */
export function heatStyle({ page, heat }: Palette, weight: number): Record<string, string> {
  const ground = mixColors(page, heat, Math.min(1, Math.max(0, weight)));
  return { backgroundColor: cssColor(ground), color: textOn(ground) };
}
