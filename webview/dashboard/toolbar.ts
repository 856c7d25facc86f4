import { checkbox, dropdown, slider } from '../shared/controls';
import { element } from '../shared/dom';
import { X_AXES, type XAxis } from '../shared/x-axis';
import { type Choices, smoothingSpan } from './choices';
import type { Actions, Section } from './page';
import { hasSeeds } from './stage-groups';

/** Places of the smoothing slider. */
const SMOOTHING_PLACES = 10;

/** What holds for all charts: the x axis, logarithms, smoothing, and where there are several seeds whether they are joined. */
export function chartToolbar(choices: Choices, { choose }: Actions): Section {
  const axes = Object.entries(X_AXES).map(([value, { label }]) => ({ value, label }));
  const words = (place: number): string => {
    const span = smoothingSpan(place);
    return span ? `mean of ${span} to each side` : 'off';
  };
  const range = { min: 0, max: SMOOTHING_PLACES, value: choices.smoothing };
  const controls = [
    dropdown('x axis', axes, choices.xAxis, (xAxis) => choose({ xAxis: xAxis as XAxis })),
    checkbox('logarithmic x', choices.isLogX, (isLogX) => choose({ isLogX })),
    checkbox('logarithmic values', choices.isLogY, (isLogY) => choose({ isLogY })),
    slider('smoothing', range, words, (smoothing) => choose({ smoothing })),
  ];
  const seeds = checkbox('join seeds: mean, shaded from lowest to highest', choices.joinsSeeds, (joinsSeeds) =>
    choose({ joinsSeeds }),
  ).root;
  const roots = [...controls.map(({ root }) => root), seeds];
  return {
    root: element('div', { class: 'tools toolbar', role: 'group', 'aria-label': 'All charts' }, ...roots),
    draw: ({ run }) => void (seeds.hidden = !hasSeeds(run.stages)),
  };
}
