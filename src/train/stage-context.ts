import type { Provenance } from '../checkpoint/checkpoint';
import type { OpenDomain } from '../data/prepare';
import type { Task } from '../data/tasks';
import type { Tokenizer } from '../data/tokenizer';
import type { Backend } from '../engine/backend';
import type { Evaluation, EventBody } from '../events/event';
import type { Plan, PlannedStage } from '../plan/plan';

/** What a stage reads and where it writes. */
export interface StageContext {
  plan: Plan;
  stage: PlannedStage;
  domains: ReadonlyMap<string, OpenDomain>;
  tasks: readonly Task[];
  tokenizer: Tokenizer;
  /** Folder of a stage's checkpoints by key. */
  checkpoints: (key: string) => string;
  provenance: Provenance;
  /** What computes. */
  backend: Pick<Backend, 'kind' | 'description'>;
  emit: (event: EventBody) => void;
  /** True once the user asked to stop. */
  stopRequested: () => boolean;
  /** Throws where another process has taken over the stage: nothing may be written then. */
  assertOwner?: () => void;
}

/** How a stage ended: with its last evaluation, or stopped with a checkpoint to go on from. */
export type StageOutcome =
  | { state: 'finished'; step: number; seconds: number; engine: string; evaluation: Evaluation }
  | { state: 'stopped'; step: number };

/** Does work that tells of its progress; gives `undefined` as soon as the user asks to stop. */
export async function unlessStopped<T>(
  { stopRequested }: StageContext,
  work: (onProgress: () => void) => Promise<T>,
): Promise<T | undefined> {
  const stopped = new AbortController();
  const onProgress = (): void => {
    if (stopRequested()) stopped.abort();
    stopped.signal.throwIfAborted();
  };
  try {
    return await work(onProgress);
  } catch (error) {
    if (stopped.signal.aborted) return undefined;
    throw error;
  }
}
