import type { Plan } from '../plan/plan';
import { type LaterEvaluation, readLaterEvaluation } from '../plan/result';
import type { Workspace } from '../store/layout';
import { resultsTable, type ResultsTable, tableAsText } from './table';
import { tasksAsText } from './task-table';
import { variantsAsText, type VariantTable, variantTable } from './variant-table';

/** What `bam evaluate` found of a stage. */
export interface StageEvaluation extends LaterEvaluation {
  stage: string;
}

/** The later evaluations of those stages that have one, in their order. */
export function laterEvaluations(
  { stagesFolder }: Workspace,
  stages: readonly { name: string; key: string | null }[],
): StageEvaluation[] {
  return stages.flatMap(({ name, key }) => {
    const found = key === null ? undefined : readLaterEvaluation(stagesFolder, key);
    return found ? [{ stage: name, ...found }] : [];
  });
}

/** Later evaluations as results of their stages. */
export interface LaterResults {
  /** What they are of. */
  heading: string;
  results: ResultsTable;
  /** Over seeds; `undefined` for a run without variants. */
  variants: VariantTable | undefined;
}

/** The tables of later evaluations; `undefined` where there are none. */
export function laterResults(
  evaluations: readonly StageEvaluation[],
  plan: Plan | undefined,
  baseline?: string,
): LaterResults | undefined {
  if (!evaluations.length) return undefined;
  const stages = evaluations.map(({ stage, evaluation }) => {
    const { averagePerplexity: average, tasks = {}, ...result } = evaluation;
    return { name: stage, state: 'finished' as const, result: { ...result, average, tasks } };
  });
  return {
    heading: `Evaluated after training, on ${Math.max(...evaluations.map(mostTokens))} held-out tokens of a domain at most.`,
    results: resultsTable(stages, plan),
    variants: variantTable(stages, plan, baseline),
  };
}

/** The held-out tokens of the domain that most were read of. */
export function mostTokens({ evaluation }: Pick<LaterEvaluation, 'evaluation'>): number {
  return Math.max(...Object.values(evaluation.domains).map(({ tokens }) => tokens));
}

/** For a terminal. */
export function laterAsText({ heading, results, variants }: LaterResults): string {
  const parts = [tasksAsText(results), variants && variantsAsText(variants)];
  return [`${heading}\n${tableAsText(results)}`, ...parts].filter(Boolean).join('\n\n');
}
