// What the extension and the browser code of its panels say to each other. Both sides check what comes in with these schemas.
import * as z from 'zod';
import { ROUTER_KINDS } from '../base/router-words';

const count = z.int().min(0);
/** A variant's name has up to six swept values in it. */
const name = z.string().max(1000);

/** A state of a run or a stage, as the index knows it. */
const stateSchema = z.enum([
  'waiting',
  'queued',
  'preparing',
  'running',
  'cached',
  'finished',
  'stopped',
  'failed',
  'interrupted',
]);
export type State = z.output<typeof stateSchema>;

const routerSchema = z.object({
  layer: count,
  router: z.enum(ROUTER_KINDS),
  load: z.array(z.number()),
  meanGate: z.array(z.number()),
  entropy: z.number(),
  maxViolation: z.number(),
  deadExperts: count,
  removed: z.array(count).optional(),
  ffnPerToken: z.number().optional(),
  coActivation: z.array(z.number()).optional(),
  saturation: z.number().optional(),
});
/** What one router did: see `Routing` of the event log. */
export type Router = z.output<typeof routerSchema>;

const routingPointSchema = z.object({
  step: count,
  /** `null` for the training batch of a step, else a held-out domain. */
  domain: name.nullable(),
  routers: z.array(routerSchema),
});
export type RoutingPoint = z.output<typeof routingPointSchema>;

const evaluationPointSchema = z.object({
  step: count,
  tokens: z.number(),
  flops: z.number(),
  average: z.number(),
  perplexity: z.record(z.string(), z.number()),
});
export type EvaluationPoint = z.output<typeof evaluationPointSchema>;

/** The columns of training steps that charts draw; all have the same length. */
export const STEP_COLUMNS = [
  'step',
  'time',
  'tokens',
  'flops',
  'loss',
  'languageModel',
  'loadBalance',
  'routerZ',
  'learningRate',
  'gradientNorm',
  'tokensPerSecond',
  'residentBytes',
] as const;
export type StepColumn = (typeof STEP_COLUMNS)[number];
const numbers = z.instanceof(Float64Array);
const stepColumnsSchema = z.object(
  Object.fromEntries(STEP_COLUMNS.map((column) => [column, numbers])) as Record<StepColumn, typeof numbers>,
);
export type StepColumns = z.output<typeof stepColumnsSchema>;

const resultShape = {
  /** Last average perplexity. */
  average: z.number().nullable(),
  /** Mean loss over the tokens of all domains, in nats. */
  pooledLoss: z.number().nullable(),
  perplexity: z.record(z.string(), z.number()),
  /** Share of right answers by task; empty where none was asked. */
  accuracy: z.record(z.string(), z.number()),
};

const stageSchema = z.object({
  name,
  state: stateSchema,
  parents: z.array(name),
  /** How it came about, in words: `bam of seed + law`, `MoV of 10`, `train`. */
  method: z.string(),
  step: count.nullable(),
  steps: count.nullable(),
  secondsLeft: z.number().nullable(),
  ...resultShape,
  /** What `bam evaluate` found after the stage's training; `null` where it was not asked. */
  later: z.object({ ...resultShape, /** Held-out tokens of a domain, at most. */ tokens: count }).nullable(),
  /** Names of a mixture's experts; empty where they have none. */
  experts: z.array(name),
  /** How many of the last columns of its FFN routers are zero-computation experts. */
  zeroComputation: count,
  totalParameters: z.number().nullable(),
  activeParameters: z.number().nullable(),
  detail: z.string().nullable(),
});
/** A stage on the dashboard and in comparisons. */
export type Stage = z.output<typeof stageSchema>;
export type LaterResult = NonNullable<Stage['later']>;

const runSchema = z.object({
  id: name,
  /** What people call it: the title, else the id. */
  title: z.string(),
  experiment: z.string(),
  state: stateSchema,
  seed: z.number().nullable(),
  started: z.number().nullable(),
  seconds: z.number().nullable(),
  message: z.string().nullable(),
  domains: z.array(name),
  stages: z.array(stageSchema),
  /** What a person should look at: failures, dead experts, damaged lines of the log. */
  alerts: z.array(z.object({ level: z.enum(['warning', 'error']), stage: name.nullable(), message: z.string() })),
});
export type Run = z.output<typeof runSchema>;

/** Points of one stage of one run. `isFirst` voids what came before. */
const pointsSchema = z.object({
  type: z.literal('points'),
  run: name,
  stage: name,
  isFirst: z.boolean(),
  steps: stepColumnsSchema,
  evaluations: z.array(evaluationPointSchema),
  routing: z.array(routingPointSchema),
});
export type Points = z.output<typeof pointsSchema>;

export const goneSchema = z.object({ type: z.literal('gone'), message: z.string() });

/**
 * To the dashboard: `run` on attach and on every change of state, then points; `show` opens one stage's charts. The page keeps `root`, the
 * folder of the project, for when the window is loaded again.
 */
export const dashboardMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('run'), root: z.string(), run: runSchema }),
  pointsSchema,
  z.object({ type: z.literal('show'), stage: name }),
  goneSchema,
]);
export type DashboardMessage = z.output<typeof dashboardMessage>;

export const readySchema = z.object({ type: z.literal('ready') });
const openSchema = z.object({ type: z.literal('open'), run: name, stage: name });
/** A chart, table or image that the user wants as a file. `content` of a PNG is base64. */
export const saveSchema = z.object({
  type: z.literal('save'),
  fileName: z.string().max(200),
  kind: z.enum(['csv', 'png', 'md']),
  content: z.string(),
});
export type Save = z.output<typeof saveSchema>;

/** From the dashboard. `open` shows the experiment file at a stage. */
export const dashboardRequest = z.discriminatedUnion('type', [
  readySchema,
  openSchema,
  saveSchema,
  z.object({ type: z.literal('command'), command: z.enum(['stop', 'resume', 'compare', 'log', 'report']) }),
]);
export type DashboardRequest = z.output<typeof dashboardRequest>;

/** Held-out perplexity of one stage of one run over its training. `seconds` since the stage began, where the log tells. */
const comparedCurveSchema = z.object({
  run: name,
  stage: name,
  evaluations: z.array(evaluationPointSchema.extend({ seconds: z.number().nullable() })),
});
export type ComparedCurve = z.output<typeof comparedCurveSchema>;

const differenceSchema = z.object({
  from: z.enum(['run', 'experiment', 'plan']),
  key: z.string(),
  values: z.array(z.string().nullable()),
});

/** To the comparison: all of it after each change. The first run is the baseline. */
export const comparisonMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('comparison'),
    /** The workspace's root, for opening the page again. */
    root: z.string(),
    runs: z.array(runSchema),
    /** Keys on which the runs disagree; a value a run, `null` where it has none. */
    differences: z.array(differenceSchema),
    curves: z.array(comparedCurveSchema),
  }),
  goneSchema,
]);
export type ComparisonMessage = z.output<typeof comparisonMessage>;

export const comparisonRequest = z.discriminatedUnion('type', [readySchema, openSchema, saveSchema]);
export type ComparisonRequest = z.output<typeof comparisonRequest>;

/** How the run table is looked at. Kept by the extension, so that it is remembered. */
export const tableViewSchema = z.object({
  query: z.string().max(500).default(''),
  /** Ids of the shown columns, in order. */
  columns: z.array(z.string().max(100)).max(200).nullable().default(null),
  /** How many of them stay in place while the rest scrolls. */
  frozen: count.default(1),
  sort: z.object({ column: z.string(), descending: z.boolean() }).default({ column: 'started', descending: true }),
  /** Join runs that differ in their seed only, and show mean and spread. */
  grouped: z.boolean().default(false),
  /** The run that others are compared with. */
  baseline: name.nullable().default(null),
});
export type TableView = z.output<typeof tableViewSchema>;

/** A row of the run table. */
const tableRowSchema = z.object({
  /** The runs of the row: one, or all of a group, newest first. */
  runs: z.array(name),
  /** What it is called. */
  title: z.string(),
  starred: z.boolean(),
  isBaseline: z.boolean(),
  /** A text for each shown column. */
  cells: z.array(z.string()),
  /** How much more each is than in the baseline; empty texts where nothing can be said, no texts without a baseline. */
  differences: z.array(z.string()),
});
export type TableRow = z.output<typeof tableRowSchema>;

const tableColumnSchema = z.object({
  id: z.string(),
  label: z.string(),
  isNumber: z.boolean(),
  isShown: z.boolean(),
});
export type TableColumn = z.output<typeof tableColumnSchema>;

/** To the run table: all of it after each change; it is small text. */
export const tableMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('table'),
    /** The workspace's root, for opening the page again. */
    root: z.string(),
    view: tableViewSchema,
    /** The shown ones first, in their order. */
    columns: z.array(tableColumnSchema),
    /** Sorted, filtered and grouped as the view says. */
    rows: z.array(tableRowSchema),
    /** Runs before filtering. */
    total: count,
    /** What is wrong with the query, in plain words. */
    queryProblem: z.string().nullable(),
  }),
  goneSchema,
]);
export type TableMessage = z.output<typeof tableMessage>;

export const tableRequest = z.discriminatedUnion('type', [
  readySchema,
  z.object({ type: z.literal('export'), kind: z.enum(['csv', 'md']) }),
  z.object({ type: z.literal('view'), view: tableViewSchema }),
  z.object({ type: z.literal('dashboard'), run: name }),
  z.object({ type: z.literal('compare'), runs: z.array(name).min(2).max(10) }),
  z.object({ type: z.literal('star'), run: name, starred: z.boolean() }),
]);
export type TableRequest = z.output<typeof tableRequest>;
