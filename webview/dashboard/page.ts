import type { DashboardRequest, Run } from '../../src/messages/contract';
import type { ChartOptions } from '../shared/chart';
import type { PointStore } from '../shared/stage-data';
import { X_AXES } from '../shared/x-axis';
import { type Choices, smoothingSpan } from './choices';

/** What the sections of the page draw from. */
export interface Page {
  readonly run: Run;
  readonly points: PointStore;
  readonly choices: Choices;
}

/** What the sections can ask for. */
export interface Actions {
  send(request: DashboardRequest): void;
  /** Keeps choices and draws the page anew. */
  choose(choices: Partial<Choices>): void;
}

/** A part of the page that is drawn anew after every change. */
export interface Section {
  readonly root: HTMLElement;
  draw(page: Page): void;
}

/** Opens the experiment file at a stage. */
export function openStage({ send }: Actions, run: Run, stage: string): void {
  send({ type: 'open', run: run.id, stage });
}

/** The options that all charts of the page share. */
export function chartOptions(
  { choices }: Page,
  formatY: (value: number) => string,
): Omit<ChartOptions, 'name' | 'open'> {
  const { label, format } = X_AXES[choices.xAxis];
  const { isLogX, isLogY } = choices;
  return { xLabel: label, formatX: format, formatY, isLogX, isLogY, smoothing: smoothingSpan(choices.smoothing) };
}
