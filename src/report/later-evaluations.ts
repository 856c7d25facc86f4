import { type LaterEvaluation, readLaterEvaluation } from '../plan/result';
import type { Workspace } from '../store/layout';
import { resultsTable, tableAsText } from './table';
import { tasksAsText } from './task-table';

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

/** For a terminal. */
export function laterTable(evaluations: readonly StageEvaluation[]): string {
  const stages = evaluations.map(({ stage, evaluation }) => {
    const { averagePerplexity: average, tasks = {}, ...result } = evaluation;
    return { name: stage, state: 'finished' as const, result: { ...result, average, tasks } };
  });
  const tokens = evaluations.flatMap(({ evaluation }) =>
    Object.values(evaluation.domains).map((domain) => domain.tokens),
  );
  const results = resultsTable(stages, undefined);
  const heading = `Evaluated after training, on ${Math.max(...tokens)} held-out tokens of a domain at most.`;
  const answers = tasksAsText(results);
  return [`${heading}\n${tableAsText(results)}`, ...(answers ? [answers] : [])].join('\n\n');
}
