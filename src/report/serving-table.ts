import { formatCount, formatMeasure } from '../base/format';
import { markdownTable } from '../base/markdown';
import { textTable } from '../base/text-table';
import type { Serving } from '../events/event';
import { readResult } from '../plan/result';
import type { Workspace } from '../store/layout';

/** How a stage decodes whose experts stay on the disk. */
export interface StageServing extends Serving {
  stage: string;
}

/** What those stages measured that serve another one, in their order. */
export function stageServings(
  { stagesFolder }: Workspace,
  stages: readonly { name: string; key: string | null }[],
): StageServing[] {
  return stages.flatMap(({ name, key }) => {
    const serving = key === null ? undefined : readResult(stagesFolder, key)?.evaluation.serving;
    return serving ? [{ stage: name, ...serving }] : [];
  });
}

/** What the table of a stage is of, and its header and cells as text. */
export interface ServingCells {
  caption: string;
  header: string[];
  rows: string[][];
}

/** One stage's table: with all experts in memory, then each policy. */
export function servingCells({ stage, link, budget, expertBytes, resident, policies }: StageServing): ServingCells {
  const loads = link === undefined ? 'loads take what reading takes' : `emulated link of ${formatCount(link)}B/s`;
  const speed = ({ decodeTokensPerSecond: decode, prefillTokensPerSecond: prefill }: Serving['resident']): string[] => [
    formatMeasure(decode),
    formatMeasure(prefill),
  ];
  const percent = (share: number): string => (100 * share).toFixed(1);
  return {
    caption: `${stage}: ${formatCount(budget)}B of ${formatCount(expertBytes)}B of FFN experts in memory, ${loads}. Hits, foreseen and left out are in per cent of all uses.`,
    header: [
      ...['policy', 'decode, tokens/s', 'prefill, tokens/s', 'hits', 'foreseen', 'left out'],
      ...['penalty', 'bytes loaded', 'perplexity', 'change, %'],
    ],
    rows: [
      ['all in memory', ...speed(resident), '-', '-', '-', '-', '-', formatMeasure(resident.perplexity), '-'],
      ...policies.map(({ policy, hits, foreseen, skipped, penalty, bytes, ...decoding }) => [
        ...[policy, ...speed(decoding), percent(hits), percent(foreseen), percent(skipped)],
        ...[penalty.toFixed(1), formatCount(bytes), formatMeasure(decoding.perplexity)],
        signed(100 * (decoding.perplexity / resident.perplexity - 1)),
      ]),
    ],
  };
}

function signed(change: number): string {
  return `${change < 0 ? '' : '+'}${change.toFixed(2)}`;
}

/** For a terminal; empty where no stage serves another one. */
export function servingsAsText(servings: readonly StageServing[]): string {
  return servings
    .map(servingCells)
    .map(({ caption, header, rows }) => `${caption}\n${textTable(header, rows)}`)
    .join('\n\n');
}

/** For a document; empty where no stage serves another one. */
export function servingsAsMarkdown(servings: readonly StageServing[]): string {
  return servings
    .map(servingCells)
    .map(({ caption, header, rows }) => `${caption}\n\n${markdownTable(header, rows)}`)
    .join('\n\n');
}
