import { formatMeasure } from '../../src/base/format';
import { formatSummary, summarize } from '../../src/base/statistics';
import type { LaterResult, Stage } from '../../src/messages/contract';
import type { Numbers } from '../shared/export';
import { isDone } from './progress';
import type { StageGroup } from './stage-groups';
import { stateWord } from './words';

/** What a stage came to, in training or later. */
type Result = Pick<LaterResult, 'average' | 'pooledLoss' | 'perplexity' | 'accuracy'>;

/**
 * A row for each group of which some stage has a result: one stage's as far as it is, over seeds mean, deviation and number of those that
 * are done.
 */
export function resultNumbers(
  groups: readonly StageGroup[],
  domains: readonly string[],
  read: (stage: Stage) => Result | null,
): Numbers {
  const rows = groups.flatMap(({ label, stages }) => {
    const [only] = stages;
    const counted = stages.length > 1 ? stages.filter(isDone) : stages;
    const results = counted.flatMap((stage) => read(stage) ?? []).filter(({ average }) => average !== null);
    const name = stages.length > 1 || isDone(only!) ? label : `${label} (${stateWord(only!.state)})`;
    return results.length ? [{ name, results, isJoined: stages.length > 1 }] : [];
  });
  const tasks = [...new Set(rows.flatMap(({ results }) => results.flatMap(({ accuracy }) => Object.keys(accuracy))))];
  const percent = (share: number): string => (100 * share).toFixed(1);
  return {
    header: ['stage', ...domains, 'average', 'pooled loss', ...tasks.map((task) => `${task} %`)],
    rows: rows.map(({ name, results, isJoined }) => {
      const show = (pick: (result: Result) => number | null | undefined, format = formatMeasure): string | null => {
        const summary = summarize(results.flatMap((result) => pick(result) ?? []));
        return summary && (isJoined ? formatSummary(summary, format) : format(summary.mean));
      };
      return [
        name,
        ...domains.map((domain) => show(({ perplexity }) => perplexity[domain])),
        ...[show(({ average }) => average), show(({ pooledLoss }) => pooledLoss)],
        ...tasks.map((task) => show(({ accuracy }) => accuracy[task], percent)),
      ];
    }),
  };
}

/** What the numbers are, the columns of the average by name. */
export function resultCaption(domains: readonly string[], { header }: Numbers, isJoined: boolean): string {
  const hasTasks = header.length > domains.length + 3;
  return [
    `Held-out perplexity, lower is better; the average is the mean of the columns ${domains.join(', ')}`,
    'the pooled loss is the mean loss of all their tokens, in nats',
    ...(hasTasks ? ['of tasks the right answers in per cent'] : []),
    ...(isJoined ? ['over seeds: mean ± standard deviation (number of seeds that are done)'] : []),
  ].join('; ');
}
