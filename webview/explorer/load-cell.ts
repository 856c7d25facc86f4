import { element } from '../shared/dom';
import { expertStyle, type Palette } from './expert-colors';
import { formatShare } from './shares';

/** A cell with a load in percent over a bar in the expert's colour. */
export function loadCell(load: number, expert: number, palette: Palette): HTMLElement {
  const bar = element('span', { class: 'bar', 'aria-hidden': 'true' });
  bar.style.width = `${100 * load}%`;
  bar.style.backgroundColor = expertStyle(palette, expert, 1).borderBottomColor!;
  const value = element('span', { class: 'load-value' }, formatShare(load));
  return element('td', { class: 'load' }, value, element('span', { class: 'track' }, bar));
}
