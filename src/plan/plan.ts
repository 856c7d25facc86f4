import type { Architecture } from '../architecture/architecture';
import type { ParameterCounts } from '../architecture/counts';
import type { DomainConfig, EnsembleConfig, ImportConfig, StepChoice, TaskConfig } from '../config/schema';
import type { LaunchConfig } from '../config/launch-schema';
import type { DistillConfig } from '../config/distill-schema';
import type { FreezablePart } from '../config/train-schema';
import type { ServeConfig } from '../config/serve-schema';
import type { SplitConfig } from '../config/split-schema';
import type { UpcycleConfig } from '../config/upcycle-schema';
import type { PlannedPruning } from './pruning';

/** Training settings of one stage with every default, `like` and `match` worked out. */
export interface TrainPlan {
  /** Weight of each domain; sums to 1. */
  mix: Record<string, number>;
  steps: number;
  /** Tokens of the whole stage: steps x batch x context. */
  tokens: number;
  /** Training FLOPs of the whole stage. */
  flops: number;
  /** Of its budget, the training FLOPs of the parents of the stage that it matches; absent where they are not counted. */
  parentFlops?: number;
  batch: number;
  accumulate: number;
  peakLearningRate: number;
  warmup: number;
  finalLearningRate: number;
  weightDecay: number;
  beta1: number;
  beta2: number;
  clip: number;
  loadBalance: number;
  routerZ: number;
  /** Parts that are not trained; absent where all are. */
  freeze?: FreezablePart[];
  /** How it learns from the stage's teacher; absent without one. */
  distill?: Omit<DistillConfig, 'teacher'>;
  checkpointEvery: number;
  keepCheckpoints: number;
}

/** How often and on how much a stage is evaluated. */
export interface EvaluationPlan {
  every: number;
  /** Held-out tokens of each domain, at most. */
  tokens: number;
}

/** A checkpoint of another program that a stage starts from. */
export interface PlannedImport extends ImportConfig {
  /** As its config.json names the model, e.g. `LlamaForCausalLM`. */
  model: string;
  /** Of the content of its files. */
  fingerprint: string;
}

/** What one of several variants of a stage is. */
export interface StageVariant {
  /** The stage's name in the experiment file. */
  stage: string;
  seed: number;
  /** By path in the file, the swept values that the stage depends on. */
  values: Record<string, unknown>;
}

/** One stage, ready to run. */
export interface PlannedStage {
  /** Unique in the plan. A variant's says what it is a variant by: `bam@seed=2,loadBalance=0.01`. */
  name: string;
  /** Every random choice of the stage derives from it. */
  seed: number;
  /** Only for a stage that the experiment has several of: which of the file's stages it is, and what decides about it. */
  variant?: StageVariant;
  /** Names what the stage computes: stages of any run with the same key have the same result. */
  key: string;
  /** The key without the seeds of the stage and its parents. Absent in plans of older versions. */
  recipe?: string;
  /** Stages whose checkpoints it starts from, in the order of the experts. */
  parents: { name: string; key: string }[];
  upcycle?: UpcycleConfig;
  /** How its parent is split into experts. */
  split?: SplitConfig;
  /** The stage that it learns from in training; not among the parents unless it starts from it too. */
  teacher?: { name: string; key: string };
  import?: PlannedImport;
  /** Its parents answer as one model. Such a stage makes no checkpoint; `architecture` is its first member's. */
  ensemble?: EnsembleConfig;
  /** Which experts of its first parent are removed. */
  prune?: PlannedPruning;
  /** How its parent decodes with experts on the disk. Such a stage makes no checkpoint. */
  serve?: ServeConfig;
  train?: TrainPlan;
  evaluation: EvaluationPlan;
  /** Of a pruned mixture, and of what comes from it, with the right number of experts; which they are, the checkpoint says. */
  architecture: Architecture;
  parameters: ParameterCounts;
  /** FLOPs of a forward pass for one token at full context. */
  flopsPerToken: number;
}

/** A domain as the plan found it on disk. */
export interface PlannedDomain {
  name: string;
  config: DomainConfig;
  fingerprint: string;
  files: number;
  bytes: number;
}

/** A task as the plan found it on disk. */
export interface PlannedTask {
  name: string;
  config: TaskConfig;
  fingerprint: string;
  examples: number;
}

/** An experiment as a graph in the order in which its stages can run. */
export interface Plan {
  name: string;
  /** The first one, where the experiment has several. */
  seed: number;
  backend: 'auto' | 'native' | 'wasm';
  /** How a training step runs. Absent in plans of older versions: `auto`. */
  step?: StepChoice;
  /** Where and how stages are executed, if the file says it. */
  launch?: LaunchConfig;
  /** Absolute folder of the experiment file, from which its globs and its tokenizer's path are read. */
  folder: string;
  tokenizer: { name: string; vocabulary: number; fingerprint: string };
  domains: PlannedDomain[];
  /** Absent where the experiment has none. */
  tasks?: PlannedTask[];
  stages: PlannedStage[];
}
