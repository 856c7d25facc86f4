import { RunError } from '../base/errors';
import type { DomainResult, TaskResult } from '../events/event';
import { isHeld } from './attempts';
import type { Annotations } from './annotations';
import type { RunRecord, StageRecord } from './collect';
import type { Database } from './database';
import type { Workspace } from './layout';

/** `interrupted`: the log has no end, and no process holds the lock of the run or its trainer. */
export type RunState = RunRecord['state'] | 'interrupted';
export type StageState = StageRecord['state'] | 'interrupted';

/** A run in a list. Times are milliseconds since 1970, UTC. */
export interface RunSummary extends Annotations {
  id: string;
  experiment: string;
  file: string | null;
  seed: number | null;
  commit: string | null;
  version: string | null;
  state: RunState;
  started: number | null;
  ended: number | null;
  seconds: number | null;
  message: string | null;
  /** Stages that are finished or were taken from the cache, of all. */
  stagesDone: number;
  stagesTotal: number;
  /** Lowest average perplexity among the stages' last evaluations. */
  bestAverage: number | null;
}

/** The last evaluation of a stage. */
export interface StageResult {
  step: number;
  /** Training tokens and FLOPs of this stage until then. */
  tokens: number;
  flops: number;
  average: number;
  /** In the order of the experiment file. */
  domains: Record<string, DomainResult>;
  /** Empty where the stage was not asked any. */
  tasks: Record<string, TaskResult>;
}

/** A stage of a run, in the order of the plan. */
export interface StageSummary {
  name: string;
  key: string | null;
  state: StageState;
  step: number | null;
  steps: number | null;
  /** How long the stage took; known once it is finished. */
  seconds: number | null;
  /** From its speed so far; only while it trains. */
  secondsLeft: number | null;
  engine: string | null;
  /** For a cached stage, the run that trained it. */
  fromRun: string | null;
  /** What is being prepared, or why it failed. */
  detail: string | null;
  result: StageResult | null;
}

export interface Note {
  time: number;
  level: 'info' | 'warning';
  stage: string | null;
  message: string;
}

export interface Checkpoint {
  stage: string;
  step: number;
  /** Relative to the `.bam` folder. */
  folder: string;
  best: boolean;
}

export interface RunDetails extends RunSummary {
  stages: StageSummary[];
  notes: Note[];
  checkpoints: Checkpoint[];
  /** What could not be read of its log. */
  problems: string[];
}

type SummaryRow = RunRecord & Pick<RunSummary, 'stagesDone' | 'stagesTotal' | 'bestAverage'>;

const SUMMARY = `
  select runs.*, coalesce(stagesTotal, 0) as stagesTotal, coalesce(stagesDone, 0) as stagesDone, bestAverage
  from runs left join (
    select run, count(*) as stagesTotal, sum(state in ('finished', 'cached')) as stagesDone, min(average) as bestAverage
    from stages group by run
  ) as counted on counted.run = id`;

/** All runs, newest first. */
export async function queryRuns(workspace: Workspace, index: Database): Promise<RunSummary[]> {
  const rows = await index.all<SummaryRow>(`${SUMMARY} order by started desc, id desc`);
  return rows.map((row) => summaryOf(workspace, row));
}

/**
 * The id of the run that a person means by an id, its unique beginning, or `last`.
 * Throws a `RunError` (`unknown-run`, `ambiguous-run`).
 */
export async function findRun(index: Database, text: string): Promise<string> {
  const runs = await index.all<{ id: string }>('select id from runs order by started desc, id desc');
  const ids = runs.map(({ id }) => id);
  if (ids.includes(text)) return text;
  const matches = text === 'last' ? ids.slice(0, 1) : ids.filter((id) => id.startsWith(text));
  if (matches.length === 1) return matches[0]!;
  if (!matches.length) {
    throw new RunError(ids.length ? `No run is called ${text} or begins so.` : 'This workspace has no runs yet.', {
      reason: 'unknown-run',
      advice: ids.length ? '`bam runs` lists them.' : '`bam run FILE` makes one.',
    });
  }
  const shown = matches.slice(0, 5).join(', ') + (matches.length > 5 ? ', ...' : '');
  throw new RunError(`${matches.length} runs begin with ${text}: ${shown}.`, {
    reason: 'ambiguous-run',
    advice: 'Write more of the id.',
  });
}

/** The ids of several runs, each once, in the order in which they are named. Throws as `findRun` does. */
export async function findRuns(index: Database, texts: readonly string[]): Promise<string[]> {
  return [...new Set(await Promise.all(texts.map((text) => findRun(index, text))))];
}

/** One run with its stages. Throws a `RunError` (reason `unknown-run`). */
export async function queryRun(workspace: Workspace, index: Database, id: string): Promise<RunDetails> {
  const row = await index.get<SummaryRow>(`${SUMMARY} where id = ?`, [id]);
  if (!row) throw new RunError(`There is no run ${id}.`, { reason: 'unknown-run', advice: '`bam runs` lists them.' });
  const summary = summaryOf(workspace, row);
  const results = await queryResults(index, id);
  const stages = await index.all<StageRecord>('select * from stages where run = ? order by position', [id]);
  const checkpoints = await index.all<Omit<Checkpoint, 'best'> & { best: number }>(
    'select stage, step, folder, best from checkpoints where run = ? order by sequence',
    [id],
  );
  const problems = await index.all<{ message: string }>('select message from problems where run = ?', [id]);
  return {
    ...summary,
    stages: stages.map((stage) => stageOf(stage, summary.state === 'running', results.get(stage.name) ?? null)),
    notes: await index.all<Note>('select time, level, stage, message from notes where run = ? order by sequence', [id]),
    checkpoints: checkpoints.map((checkpoint) => ({ ...checkpoint, best: checkpoint.best === 1 })),
    problems: problems.map(({ message }) => message),
  };
}

/** Whether a run is at work or waits for its turn. */
export function isActive({ state }: { state: RunState }): boolean {
  return state === 'running' || state === 'queued';
}

function summaryOf(workspace: Workspace, row: SummaryRow): RunSummary {
  const { id, experiment, file, seed, commitHash, version, started, ended, seconds, message } = row;
  const { stagesDone, stagesTotal, bestAverage } = row;
  const state = isActive(row) && !isHeld(workspace, id) ? 'interrupted' : row.state;
  const origin = { id, experiment, file, seed, commit: commitHash, version };
  return {
    ...origin,
    ...annotationsOf(row),
    state,
    started,
    ended,
    seconds,
    message,
    stagesDone,
    stagesTotal,
    bestAverage,
  };
}

function annotationsOf({ title, starred, tags, note, archived }: RunRecord): Annotations {
  return { title, starred: starred === 1, tags: JSON.parse(tags) as string[], note, archived: archived === 1 };
}

function stageOf(row: StageRecord, isRunning: boolean, result: StageResult | null): StageSummary {
  const { name, key, step, steps, seconds, engine, fromRun, detail } = row;
  const isBegun = row.state === 'running' || row.state === 'preparing';
  const state = isBegun && !isRunning ? 'interrupted' : row.state;
  const secondsLeft = state === 'running' ? timeLeft(row) : null;
  return { name, key, state, step, steps, seconds, secondsLeft, engine, fromRun, detail, result };
}

function timeLeft({ step, steps, fromStep, began, updated }: StageRecord): number | null {
  if (step === null || steps === null || fromStep === null || began === null || updated === null) return null;
  return step > fromStep ? (((updated - began) / 1000) * (steps - step)) / (step - fromStep) : null;
}

interface DomainRow extends DomainResult {
  stage: string;
  step: number;
  trained: number;
  flops: number;
  average: number;
  tasks: string;
  domain: string | null;
}

async function queryResults(index: Database, run: string): Promise<Map<string, StageResult>> {
  const rows = await index.all<DomainRow>(
    `select e.stage, e.step, e.tokens as trained, e.flops, e.average, e.tasks, d.domain, d.loss, d.perplexity, d.bitsPerByte, d.tokens
     from (select run, max(sequence) as sequence from evaluations where run = ? group by stage) as last
     join evaluations as e on e.run = last.run and e.sequence = last.sequence
     left join evaluationDomains as d on d.run = e.run and d.sequence = e.sequence
     order by e.stage, d.position`,
    [run],
  );
  const results = new Map<string, StageResult>();
  for (const { stage, step, trained, flops, average, tasks, domain, ...found } of rows) {
    const { loss, perplexity, bitsPerByte, tokens } = found;
    const asked = JSON.parse(tasks) as Record<string, TaskResult>;
    const result = results.get(stage) ?? { step, tokens: trained, flops, average, domains: {}, tasks: asked };
    if (domain !== null) result.domains[domain] = { loss, perplexity, bitsPerByte, tokens };
    results.set(stage, result);
  }
  return results;
}
