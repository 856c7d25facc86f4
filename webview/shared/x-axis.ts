import { formatCount, formatDuration } from '../../src/base/format';
import type { EvaluationPoint } from '../../src/messages/contract';
import { lowerBound } from './align';
import type { StageData } from './stage-data';

/** What a chart's x axis can be. Tokens, FLOPs and time are those of the stage itself, without its parents. */
export const X_AXES = {
  step: { label: 'steps', format: (value: number) => formatCount(Math.round(value)) },
  tokens: { label: 'tokens', format: (value: number) => formatCount(Math.round(value)) },
  flops: { label: 'FLOPs', format: formatCount },
  time: { label: 'time since the first step', format: formatDuration },
} as const;
export type XAxis = keyof typeof X_AXES;

/** x of every step of a stage. Time is in seconds. */
export function xOfSteps({ columns }: StageData, axis: XAxis): Float64Array {
  if (axis !== 'time') return columns[axis].values;
  const start = columns.time.values[0] ?? 0;
  return columns.time.values.map((time) => (time - start) / 1000);
}

/** x of evaluations, which know no time: theirs is that of the step that they follow. */
export function xOfEvaluations(data: StageData, evaluations: readonly EvaluationPoint[], axis: XAxis): Float64Array {
  if (axis !== 'time') return Float64Array.from(evaluations, (evaluation) => evaluation[axis]);
  return xAtSteps(
    data,
    evaluations.map(({ step }) => step),
    axis,
  );
}

/** x of some steps, e.g. those whose routing is known. */
export function xAtSteps(data: StageData, steps: readonly number[], axis: XAxis): Float64Array {
  if (axis === 'step') return Float64Array.from(steps);
  const x = xOfSteps(data, axis);
  const known = data.columns.step.values;
  return Float64Array.from(steps, (step) => x[Math.min(lowerBound(known, step), known.length - 1)] ?? 0);
}
