import { formatCount, formatMeasure } from '../base/format';
import { markdownTable } from '../base/markdown';
import { textTable } from '../base/text-table';
import type { DomainResult, TaskResult } from '../events/event';
import type { Plan } from '../plan/plan';
import type { StageState, StageSummary } from '../store/queries';

/** A stage's line of the results table, by its last evaluation. `null` where something is not known. */
export interface ResultRow {
  stage: string;
  state: StageState;
  /** The step that was evaluated. */
  step: number | null;
  parameters: { total: number; active: number } | null;
  /** Training tokens and FLOPs of this stage until that evaluation, without those of its parents. */
  tokens: number | null;
  flops: number | null;
  /** Held-out perplexity of every domain of the table. */
  perplexity: Record<string, number | null>;
  /** Mean loss over the held-out tokens of all domains together, in nats. */
  pooledLoss: number | null;
  /** Mean of the domains' perplexities, each counted once. */
  average: number | null;
  /** By task; empty where the stage was not asked any. */
  tasks: Record<string, TaskResult>;
  /** The lowest average of at least two. */
  isBest: boolean;
}

export interface ResultsTable {
  /** The domains that the average is over, in the order of the experiment file. */
  domains: string[];
  rows: ResultRow[];
}

/** Mean loss over the tokens of all domains, in nats: a domain counts by its tokens, in the average of perplexities each counts alike. */
export function pooledLoss(domains: Readonly<Record<string, DomainResult>>): number {
  const all = Object.values(domains);
  const tokens = all.reduce((sum, domain) => sum + domain.tokens, 0);
  return all.reduce((sum, { loss, tokens: own }) => sum + loss * own, 0) / tokens;
}

/** The results of a run's stages. `plan` gives the parameter counts; without it they are not known. */
export function resultsTable(
  stages: readonly Pick<StageSummary, 'name' | 'state' | 'result'>[],
  plan: Plan | undefined,
): ResultsTable {
  const domains = [...new Set(stages.flatMap(({ result }) => Object.keys(result?.domains ?? {})))];
  const averages = stages.flatMap(({ result }) => (result ? [result.average] : []));
  const best = averages.length > 1 ? Math.min(...averages) : undefined;
  const rows = stages.map(({ name, state, result }) => ({
    stage: name,
    state,
    step: result?.step ?? null,
    parameters: plan?.stages.find((stage) => stage.name === name)?.parameters ?? null,
    tokens: result?.tokens ?? null,
    flops: result?.flops ?? null,
    perplexity: Object.fromEntries(domains.map((domain) => [domain, result?.domains[domain]?.perplexity ?? null])),
    pooledLoss: result && pooledLoss(result.domains),
    average: result?.average ?? null,
    tasks: result?.tasks ?? {},
    isBest: result !== null && result.average === best,
  }));
  return { domains, rows };
}

/** The table's header and cells as text, without marks. */
export function tableCells({ domains, rows }: ResultsTable): { header: string[]; rows: string[][] } {
  const show = (value: number | null | undefined, format: (value: number) => string): string =>
    value === null || value === undefined ? '-' : format(value);
  return {
    header: ['stage', 'parameters', 'active', 'tokens', 'FLOPs', ...domains, 'pooled loss', 'average'],
    rows: rows.map((row) => [
      stageLabel(row),
      show(row.parameters?.total, formatCount),
      show(row.parameters?.active, formatCount),
      show(row.tokens, formatCount),
      show(row.flops, formatCount),
      ...domains.map((domain) => show(row.perplexity[domain], formatMeasure)),
      show(row.pooledLoss, formatMeasure),
      show(row.average, formatMeasure),
    ]),
  };
}

/** What the numbers of the table are. */
export function tableCaption({ domains }: ResultsTable): string {
  if (!domains.length) return 'No stage has been evaluated yet.';
  const pooled = 'pooled loss is the mean loss of all their tokens, in nats';
  return `Held-out perplexity, lower is better; the average is over ${domains.join(', ')}; ${pooled}.`;
}

/** A stage that is not done says how far its numbers go. */
function stageLabel({ stage, state, step }: ResultRow): string {
  if (state === 'finished' || state === 'cached') return stage;
  return step === null ? `${stage} (${state})` : `${stage} (${state}, at step ${step})`;
}

/** For a terminal. The best average has a star. */
export function tableAsText(table: ResultsTable): string {
  const { header, rows } = tableCells(table);
  rows.forEach((row, i) => table.rows[i]!.isBest && row.push(`*${row.pop()}`));
  const hasBest = table.rows.some(({ isBest }) => isBest);
  return [tableCaption(table) + (hasBest ? ' * is the best.' : ''), textTable(header, rows)].join('\n');
}

/** For a document. The best average is bold. */
export function tableAsMarkdown(table: ResultsTable): string {
  const { header, rows } = tableCells(table);
  rows.forEach((row, i) => table.rows[i]!.isBest && row.push(`**${row.pop()}**`));
  return `${tableCaption(table)}\n\n${markdownTable(header, rows)}`;
}
