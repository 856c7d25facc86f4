import type { RunEvent } from '../../events/event';
import { describeEnd, type JobPhase } from './states';

/** What is known of a stage whose job is over, or no longer known to Slurm. */
export interface Evidence {
  /** `gone`: Slurm does not know the job. */
  phase: JobPhase | 'gone';
  /** The job's id, and Slurm's own word for how it ended. */
  job: string;
  state: string;
  hasResult: boolean;
  /** The last event of the stage's latest attempt. */
  last: RunEvent | undefined;
  /** What the job printed last. */
  output: string;
  /** A stage that it needs has failed or was stopped. */
  lacksParent: boolean;
  /** What becomes of a stage that it needs is not decided yet. */
  hasOpenEnd: boolean;
  /** Its stop was asked for. */
  isStopping: boolean;
  /** The end was seen long enough ago for files of other machines to be seen too. */
  isSettled: boolean;
}

/** What becomes of the stage. `again`: its job is submitted anew. `said` marks an end that is in the log already. */
export type Verdict =
  | { state: 'wait' | 'stopped' | 'again' | 'left-out' }
  | { state: 'finished'; said: boolean }
  | { state: 'failed'; reason: string; message: string; said: boolean };

/** What the end of a job means for its stage. */
export function judge(stage: string, evidence: Evidence): Verdict {
  const { phase, hasResult, last, lacksParent, hasOpenEnd, isStopping, isSettled } = evidence;
  if (hasResult) return { state: 'finished', said: last?.type === 'stage.finished' };
  if (lacksParent) return { state: isStopping ? 'stopped' : 'left-out' };
  if (isStopping) return { state: 'stopped' };
  if (hasOpenEnd) return { state: 'wait' };
  if (last?.type === 'stage.failed') return { state: 'failed', reason: last.reason, message: last.message, said: true };
  if (phase === 'again' || phase === 'gone' || phase === 'parent-failed') return { state: 'again' };
  if (!isSettled) return { state: 'wait' };
  if (phase === 'cancelled') return cancelled(stage, evidence);
  // It saved a checkpoint and could not go back into the queue by itself; one that was cancelled so is not told apart.
  if (last?.type === 'stage.stopped') return { state: 'again' };
  return crashed(stage, evidence);
}

function cancelled(stage: string, { job }: Evidence): Verdict {
  const message = `Job ${job} of stage ${stage} was cancelled, not by bam. It goes on from its last checkpoint with: bam resume RUN`;
  return { state: 'failed', reason: 'cancelled', message, said: false };
}

function crashed(stage: string, { job, state, output }: Evidence): Verdict {
  const message = `Job ${job} of stage ${stage} ${describeEnd(state)}. Its last output:\n${output || '(none)'}`;
  return { state: 'failed', reason: state === 'OUT_OF_MEMORY' ? 'out-of-memory' : 'crashed', message, said: false };
}
