import { dataTable } from '../shared/data-table';
import { element } from '../shared/dom';
import type { Page, Section } from './page';
import { resultCaption, resultNumbers } from './result-numbers';
import { groupsOf } from './stage-groups';

/** Held-out results of all stages in numbers; of `bam evaluate` too, where it was used. */
export class ResultsSection implements Section {
  readonly root = element('section', { 'aria-labelledby': 'results-heading', hidden: true });
  private readonly tables = element('div');
  private shown = '';

  constructor() {
    this.root.append(element('h2', { id: 'results-heading' }, 'Results'), this.tables);
  }

  draw({ run, choices }: Page): void {
    const groups = groupsOf(run.stages, choices.joinsSeeds);
    const isJoined = groups.length < run.stages.length;
    const own = resultNumbers(groups, run.domains, (stage) => stage);
    const later = resultNumbers(groups, run.domains, (stage) => stage.later);
    const text = JSON.stringify([own, later]);
    if (text === this.shown) return;
    this.shown = text;
    this.root.hidden = !own.rows.length && !later.rows.length;
    const what = resultCaption(run.domains, own, isJoined);
    const most = Math.max(...run.stages.map((stage) => stage.later?.tokens ?? 0));
    const heading = `Evaluated after training, on ${most} held-out tokens of a domain at most`;
    const laterWhat = `${heading}. ${own.rows.length ? 'The columns are those above.' : resultCaption(run.domains, later, isJoined)}`;
    this.tables.replaceChildren(
      ...(own.rows.length ? [dataTable(what, own)] : []),
      ...(later.rows.length ? [dataTable(laterWhat, later)] : []),
    );
  }
}
