import type { EvaluationPoint, StageSource } from './curves';
import type { Database } from './database';

/** An evaluation with its time in seconds since the stage's first step; `null` where the log has no step there. */
export interface TimedEvaluation extends EvaluationPoint {
  seconds: number | null;
}

/** Without the training steps, of which there may be very many. */
const EVALUATIONS = `
  with points as (
    select run, max(sequence) as sequence from evaluations where run = ?1 and stage = ?2 group by step
  ), times as (
    select step, time from steps where run = ?1 and stage = ?2
  )
  select e.step, e.tokens, e.flops, e.average,
    (select json_group_object(domain, perplexity) from evaluationDomains as d
     where d.run = e.run and d.sequence = e.sequence) as perplexity,
    case e.step when 0 then 0 else (times.time - (select min(time) from times)) / 1000.0 end as seconds
  from points join evaluations as e on e.run = points.run and e.sequence = points.sequence
  left join times on times.step = e.step order by e.step`;

/** The evaluations of a stage, by step. */
export async function queryTimedEvaluations(index: Database, { run, stage }: StageSource): Promise<TimedEvaluation[]> {
  const rows = await index.all<Omit<TimedEvaluation, 'perplexity'> & { perplexity: string }>(EVALUATIONS, [run, stage]);
  return rows.map((row) => ({ ...row, perplexity: JSON.parse(row.perplexity) as Record<string, number> }));
}
