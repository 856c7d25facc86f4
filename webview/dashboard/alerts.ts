import { element } from '../shared/dom';
import type { Actions, Page, Section } from './page';
import { openStage } from './page';

/** What a person should look at; nothing where there is nothing. */
export class Alerts implements Section {
  readonly root = element('section', { 'aria-label': 'Alerts', hidden: true });
  private shown = '';

  constructor(private readonly actions: Actions) {}

  draw({ run }: Page): void {
    const text = JSON.stringify(run.alerts);
    if (text === this.shown) return;
    this.shown = text;
    this.root.hidden = !run.alerts.length;
    const items = run.alerts.map(({ level, stage, message }) => {
      const sign = level === 'error' ? '✗ Error' : '⚠ Warning';
      const item = element('li', { class: level }, element('strong', {}, sign), ' ');
      if (stage !== null) {
        const link = element('button', { type: 'button', class: 'link' }, stage);
        link.addEventListener('click', () => openStage(this.actions, run, stage));
        item.append(link, ': ');
      }
      item.append(message);
      return item;
    });
    this.root.replaceChildren(element('ul', { class: 'alerts' }, ...items));
  }
}
