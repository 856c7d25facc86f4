import * as z from 'zod';
import { CACHE_POLICIES } from '../base/offload-words';
import { staysBelow } from '../base/plain-name';
import { ROUTER_KINDS } from '../base/router-words';

const count = z.int().min(0);
const finite = z.number();

/** Held-out results of one domain. */
const domainResultSchema = z.object({
  /** Mean negative log-likelihood of a token, in nats. */
  loss: finite,
  perplexity: finite,
  bitsPerByte: finite,
  /** Tokens that were predicted. */
  tokens: count,
});

/** What one router did with the tokens of a batch or a domain. */
const routingSchema = z.object({
  layer: count,
  router: z.enum(ROUTER_KINDS),
  /** Share of tokens sent to each expert (with soft routing: share of tokens whose largest gate is this expert's). Sums to 1. */
  load: z.array(finite),
  /** Mean router probability of each expert. Sums to 1. */
  meanGate: z.array(finite),
  /** Mean entropy of a token's router distribution, in nats; log(experts) at most. */
  entropy: finite,
  /** Largest load over the fair load of the experts that are there, minus 1 ("MaxVio"): 0 is perfectly balanced. */
  maxViolation: finite,
  /** Experts that no token was sent to, removed ones not counted. */
  deadExperts: count,
  /** Experts that were removed; they keep their places in `load` and `meanGate`. Absent where all are there. */
  removed: z.array(count).optional(),
  /** FFN experts that a token was sent to on average, where the router has zero-computation experts too. */
  ffnPerToken: finite.optional(),
  /**
   * In evaluations: for every pair of experts, (0, 1), (0, 2), ..., (1, 2), ..., the share of tokens that were sent to both (with
   * soft routing: the mean product of their gates). Absent where a token goes to one expert only.
   */
  coActivation: z.array(finite).optional(),
  /**
   * In evaluations: share of the choices of experts that were the same in the stage's evaluation before (OLMoE, arXiv 2409.02060,
   * section 5.1, has it against the last checkpoint). Absent in the first, and in the first after a stage was resumed.
   */
  saturation: finite.optional(),
});

/** What a model made of a task. */
const taskResultSchema = z.object({
  kind: z.enum(['exact-match', 'multiple-choice']),
  /** Of the examples. */
  fingerprint: z.string(),
  examples: count,
  /** Share of the examples that were answered right. */
  accuracy: finite,
  /** Multiple choice only: the same with log-likelihoods divided by the bytes of a choice. */
  normalizedAccuracy: finite.optional(),
});

const decodingSchema = z.object({
  /** Of prompts, and of what was read one by one behind them. */
  prefillTokensPerSecond: finite,
  decodeTokensPerSecond: finite,
  /** Of the tokens behind the prompts. */
  perplexity: finite,
});

/** How a mixture decodes with its FFN experts on the disk. */
const servingSchema = z.object({
  /** Bytes a second of the emulated link; absent where loads took what reading takes. */
  link: finite.optional(),
  /** Bytes that experts may take, and that all of them have. */
  budget: count,
  expertBytes: count,
  /** With all experts in memory, in float32. */
  resident: decodingSchema,
  policies: z.array(
    decodingSchema.extend({
      policy: z.enum(CACHE_POLICIES),
      /** Shares of the uses of experts: in memory when they were wanted; on their way, since they were foreseen; left out. */
      hits: finite,
      foreseen: finite,
      skipped: finite,
      /** Loads that had to be waited for, each by its bytes over those of an expert in high precision. */
      penalty: finite,
      /** Bytes of all loads. */
      bytes: finite,
    }),
  ),
});

/** A held-out evaluation of a stage at one step. */
export const evaluationSchema = z.object({
  step: count,
  /** Training tokens seen by this stage so far. */
  tokens: count,
  /** Training FLOPs spent by this stage so far. */
  flops: finite,
  domains: z.record(z.string(), domainResultSchema),
  /** Mean of the domains' perplexities, every domain of the experiment counted once. */
  averagePerplexity: finite,
  /** By domain; empty for a dense model. */
  routing: z.record(z.string(), z.array(routingSchema)),
  /** By task, at the end of a stage only. */
  tasks: z.record(z.string(), taskResultSchema).optional(),
  /** Of a stage that serves another one. */
  serving: servingSchema.optional(),
});

const bodies = [
  /** A detached run says this twice: at once, with what it knows, and again with its stages when its file is planned. */
  z.object({
    type: z.literal('run.started'),
    run: z.string(),
    experiment: z.string(),
    /** Path of the experiment file when the run began. */
    file: z.string(),
    /** Absent while the file is not planned, and where stages have different ones. */
    seed: count.optional(),
    /** The git commit of the folder the file lies in, `dirty` appended if it had changes; absent outside git. */
    commit: z.string().optional(),
    version: z.string(),
    stages: z.array(z.string()),
    /** What executes it, where that is not this machine. */
    launcher: z.literal('slurm').optional(),
  }),
  z.object({ type: z.literal('run.resumed'), version: z.string() }),
  /** Waits until the device is free. Written each time the number of runs ahead changes; 0 says that its turn has come. */
  z.object({ type: z.literal('run.queued'), device: z.string(), ahead: count }),
  z.object({
    type: z.literal('run.ended'),
    state: z.enum(['finished', 'stopped', 'failed']),
    message: z.string().optional(),
    seconds: finite,
  }),
  z.object({
    type: z.literal('stage.started'),
    stage: z.string(),
    key: z.string(),
    /** The step that training starts or goes on from; steps after it in this stage's earlier events are void. */
    fromStep: count,
    steps: count,
    /** The chosen engine, for people: `native TensorFlow 2.21.0, CPU, 2 threads`. */
    engine: z.string(),
  }),
  z.object({
    type: z.literal('stage.cached'),
    stage: z.string(),
    key: z.string(),
    /** The run that trained it, whose log holds its curves. */
    fromRun: z.string(),
    evaluation: evaluationSchema,
  }),
  /** Work before the first step, such as packing a corpus, or behind the last, such as a task. `total` is absent where it is not known. */
  z.object({
    type: z.literal('stage.preparing'),
    stage: z.string(),
    what: z.string(),
    done: count,
    total: count.optional(),
  }),
  z.object({
    type: z.literal('step'),
    stage: z.string(),
    step: count,
    tokens: count,
    flops: finite,
    /** The whole loss, and its parts before their coefficients. */
    loss: finite,
    languageModel: finite,
    loadBalance: finite,
    routerZ: finite,
    /** Of a stage with a teacher. */
    distillation: finite.optional(),
    learningRate: finite,
    gradientNorm: finite,
    tokensPerSecond: finite,
    residentBytes: count,
    tensors: count,
    /** Empty for a dense model. */
    routing: z.array(routingSchema),
  }),
  z.object({ type: z.literal('evaluation'), stage: z.string(), ...evaluationSchema.shape }),
  z.object({
    type: z.literal('checkpoint'),
    stage: z.string(),
    step: count,
    /** Relative to the `.bam` folder. */
    folder: z.string().refine(staysBelow),
    best: z.boolean(),
  }),
  z.object({
    type: z.literal('stage.finished'),
    stage: z.string(),
    key: z.string(),
    step: count,
    seconds: finite,
    evaluation: evaluationSchema,
  }),
  /** What a cluster says of the job of a stage, each time that it changes. */
  z.object({
    type: z.literal('stage.job'),
    stage: z.string(),
    job: z.string(),
    state: z.enum(['waiting', 'running']),
    /** Why it waits, in plain words. */
    reason: z.string().optional(),
    /** When it is expected to start, in milliseconds since 1970, if the cluster says it. */
    expected: count.optional(),
    /** Where it runs. */
    node: z.string().optional(),
  }),
  z.object({ type: z.literal('stage.stopped'), stage: z.string(), step: count }),
  z.object({
    type: z.literal('stage.failed'),
    stage: z.string(),
    step: count.optional(),
    reason: z.string(),
    message: z.string(),
  }),
  /** Something that a user should know and that no other event says. */
  z.object({
    type: z.literal('note'),
    level: z.enum(['info', 'warning']),
    message: z.string(),
    stage: z.string().optional(),
  }),
] as const;

const eventBodySchema = z.discriminatedUnion('type', bodies);

const headSchema = z.object({
  /** Counts up from 1 without gaps over the whole life of the run. */
  sequence: z.int().min(1),
  /** Milliseconds since 1970, UTC. */
  time: count,
  /** Where an event was copied from: an attempt, as `attemptName` has it, and the event's number in that attempt's log. */
  source: z.object({ attempt: z.string(), sequence: z.int().min(1) }).optional(),
});

/** Where a copied event comes from. */
export type EventSource = NonNullable<z.output<typeof headSchema>['source']>;

/** One line of a run's event log. */
export type RunEvent = z.output<typeof headSchema> & EventBody;

/** Checks the value of one line. Throws what zod throws. Two parses, since a zod intersection took five times as long. */
export function parseEvent(value: unknown): RunEvent {
  return { ...headSchema.parse(value), ...eventBodySchema.parse(value) };
}

export type DomainResult = z.output<typeof domainResultSchema>;
export type TaskResult = z.output<typeof taskResultSchema>;
export type Serving = z.output<typeof servingSchema>;
export type Routing = z.output<typeof routingSchema>;
export type Evaluation = z.output<typeof evaluationSchema>;
export type EventBody = z.output<typeof eventBodySchema>;
/** The body of one kind of event. */
export type EventOf<T extends EventBody['type']> = Extract<RunEvent, { type: T }>;
