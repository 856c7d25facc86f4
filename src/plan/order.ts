import type { RunLog } from '../events/attempt-logs';
import type { ExpertReport, TrialRequest } from './expert-report';
import type { Plan } from './plan';

/** What the launcher tells a trainer process: which stage to run, and where everything lies. All paths are absolute. */
export interface TrainerOrder {
  plan: Plan;
  /** Name of the stage. */
  stage: string;
  run: string;
  /** The `.bam` folder; folders in events are relative to it. */
  folder: string;
  /** The log of this attempt, which the process writes. */
  eventsFile: string;
  /** The run's own log, into which the attempts' are copied. */
  runLog: RunLog;
  /** Of a job of a cluster, which may be started again by it: which attempt its first start is. Later ones count on from there. */
  job?: { firstAttempt: number };
  /** Packed corpora. */
  dataFolder: string;
  /** One folder a stage key, each with `checkpoints/` and, once finished, `result.json`. */
  stagesFolder: string;
  /** Held while the process lives: one trainer a stage of the run, and one a stage. */
  trainerLockFile: string;
  stageLockFile: string;
  version: string;
  /** Only take some steps, and write down where the time of one goes, as a Chrome trace in this file. */
  profileFile?: string;
}

/** Where the orders of many stages have one plan: the file that it is read from. */
export interface StoredPlan {
  planFile?: string;
}

/** What a process is told that evaluates finished stages once more. All paths are absolute. */
export interface EvaluationOrder {
  plan: Plan;
  /** Names of stages. */
  evaluate: string[];
  /** Held-out tokens of each domain at most; as many as in the stage's own evaluations, if left out. */
  tokens?: number | undefined;
  /** Put the experiment's tasks to the models too. */
  tasks: boolean;
  dataFolder: string;
  stagesFolder: string;
}

/** What such a process sends to its parent: how far a stage is, or why it gives up. */
export type EvaluationMessage =
  { type: 'progress'; stage: string; what: string; done: number; total?: number } | { type: 'failed'; message: string };

/** What a process is told that tries what pruning a mixture would do. All paths are absolute. */
export interface PruningOrder {
  plan: Plan;
  prune: TrialRequest;
  dataFolder: string;
  stagesFolder: string;
}

/** What such a process sends to its parent: how far it is, what it found, or why it gives up. */
export type PruningMessage = EvaluationMessage | { type: 'report'; report: ExpertReport };

/** How a trainer process says how it ended. Anything else is a crash. */
export const TRAINER_EXIT = { finished: 0, failed: 1, stopped: 3 } as const;

/** The message by which the launcher asks a trainer to save a checkpoint and end. */
export const STOP_MESSAGE = 'stop';
