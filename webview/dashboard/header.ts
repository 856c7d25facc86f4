import { formatDuration } from '../../src/base/format';
import type { Run } from '../../src/messages/contract';
import { button, progressRing, setEnabled, tag } from '../shared/controls';
import { element } from '../shared/dom';
import { seedsOf } from '../shared/seeds';
import type { Actions, Page, Section } from './page';
import { currentStages, isDone, partDone } from './progress';
import { stateWord } from './words';

/** Title, state, how far the run is, and what can be done with it. */
export class Header implements Section {
  readonly root = element('header');
  private readonly title = element('h1');
  private readonly state = element('span', { class: 'state' });
  private readonly facts = element('p', { class: 'small' });
  private readonly bar = element('progress', { 'aria-label': 'steps done of all stages', max: 1 });
  private readonly progress = element('div', { class: 'tools' });
  private readonly progressText = element('span');
  private readonly ring = progressRing('running');
  private readonly live = element('div', { class: 'visually-hidden', role: 'status' });
  private readonly stop: HTMLElement;
  private readonly resume: HTMLElement;

  constructor({ send }: Actions) {
    const ask = (command: 'stop' | 'resume' | 'compare' | 'log' | 'report') => (): void =>
      send({ type: 'command', command });
    this.stop = button('Stop', ask('stop'), { isPrimary: true });
    this.resume = button('Resume', ask('resume'), { isPrimary: true });
    const others = [button('Compare', ask('compare')), button('Log', ask('log')), button('Report', ask('report'))];
    this.progress.append(this.ring, this.bar, this.progressText);
    this.root.append(
      element('div', { class: 'tools' }, this.title, this.state),
      this.facts,
      this.progress,
      element('div', { class: 'tools' }, this.stop, this.resume, ...others),
      this.live,
    );
  }

  draw({ run }: Page): void {
    this.title.textContent = run.title;
    const word = stateWord(run.state);
    if (this.state.textContent !== word) this.state.replaceChildren(tag(word));
    this.facts.textContent = factsOf(run);
    const isActive = run.state === 'running' || run.state === 'queued';
    setEnabled(this.stop, isActive);
    setEnabled(this.resume, !isActive && run.state !== 'finished');
    this.drawProgress(run, isActive);
    const current = isActive ? currentStages(run).map(({ name, state }) => `, stage ${name}: ${stateWord(state)}`) : [];
    const news = `${run.title}: ${word}${current.join('')}`;
    if (this.live.textContent !== news) this.live.textContent = news;
  }

  private drawProgress(run: Run, isActive: boolean): void {
    this.progress.hidden = run.state === 'finished';
    this.ring.hidden = !isActive;
    this.bar.value = partDone(run);
    this.progressText.textContent = progressText(run);
  }
}

function factsOf(run: Run): string {
  const { id, title, experiment, seconds, message } = run;
  const seeds = seedsOf(run);
  const facts = [
    title === id ? undefined : id,
    `experiment ${experiment}`,
    seeds ? `${seeds.includes(',') ? 'seeds' : 'seed'} ${seeds}` : undefined,
    seconds === null ? undefined : `took ${formatDuration(seconds)}`,
    message ?? undefined,
  ];
  return facts.filter((fact) => fact !== undefined).join(' · ');
}

function progressText(run: Run): string {
  const done = run.stages.filter(isDone).length;
  const parts = [`${Math.floor(100 * partDone(run))}%, ${done} of ${run.stages.length} stages done`];
  for (const stage of currentStages(run)) {
    const step = stage.step === null || stage.steps === null ? '' : `, step ${stage.step} of ${stage.steps}`;
    const left = stage.secondsLeft === null ? '' : `, ${formatDuration(stage.secondsLeft)} left`;
    parts.push(`${stage.name} ${stateWord(stage.state)}${step}${left}`);
  }
  return parts.join('; ');
}
