import type { Evaluation, EventOf, RunEvent } from '../events/event';
import type { SqlValue } from './database';
import { POINT_TABLES, type PointTable } from './schema';

/** A run as a row of the index. */
export interface RunRecord {
  id: string;
  experiment: string;
  file: string | null;
  seed: number | null;
  commitHash: string | null;
  version: string | null;
  state: 'queued' | 'running' | 'finished' | 'stopped' | 'failed';
  started: number | null;
  ended: number | null;
  seconds: number | null;
  message: string | null;
  /** Annotations; `tags` is a JSON list. */
  title: string | null;
  starred: number;
  tags: string;
  note: string | null;
  archived: number;
  /** Byte of its log behind the last line taken in, the last sequence number, and a hash of the first line. */
  offset: number;
  sequence: number;
  head: string;
  /** When the log and the annotations were last written, as far as they were taken in; milliseconds since 1970. */
  logModified: number;
  annotated: number;
}

/** A stage of a run as a row of the index. */
export interface StageRecord {
  run: string;
  name: string;
  position: number;
  key: string | null;
  state: 'waiting' | 'preparing' | 'running' | 'cached' | 'finished' | 'stopped' | 'failed';
  step: number | null;
  steps: number | null;
  fromStep: number | null;
  began: number | null;
  updated: number | null;
  seconds: number | null;
  fromRun: string | null;
  engine: string | null;
  /** What is being prepared, or why the stage failed. */
  detail: string | null;
}

/** What events change in the index. */
export interface Collected {
  run: RunRecord;
  stages: Map<string, StageRecord>;
  /** Points of earlier events that a resumed stage made void: those of this stage after this step. */
  voided: { stage: string; afterStep: number }[];
  points: Record<PointTable, SqlValue[][]>;
}

/** A run that nothing is known of yet. */
export function newRunRecord(id: string): RunRecord {
  // The name in front of the date, for a log whose first line is damaged.
  const experiment = id.replace(/-\d{8}-\d{6}-[0-9a-f]{4}$/, '');
  const unknown = { file: null, seed: null, commitHash: null, version: null, started: null, ended: null };
  return {
    id,
    experiment,
    ...unknown,
    state: 'running',
    seconds: null,
    message: null,
    title: null,
    starred: 0,
    tags: '[]',
    note: null,
    archived: 0,
    offset: 0,
    sequence: 0,
    head: '',
    logModified: 0,
    annotated: 0,
  };
}

/** Works out what events do to a run and its stages, both of which it changes. Skips events that were taken in before. */
export function collectEvents(run: RunRecord, stages: StageRecord[], events: RunEvent[]): Collected {
  const points = Object.fromEntries(Object.keys(POINT_TABLES).map((table) => [table, []])) as unknown;
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const collected: Collected = { run, stages: byName, voided: [], points: points as Collected['points'] };
  for (const event of events) {
    if (event.sequence <= run.sequence) continue;
    run.sequence = event.sequence;
    run.started ??= event.time;
    collectEvent(collected, event);
  }
  return collected;
}

function collectEvent(to: Collected, event: RunEvent): void {
  switch (event.type) {
    case 'run.started':
    case 'run.resumed':
    case 'run.ended':
      return collectRun(to, event);
    case 'run.queued':
      to.run.state = event.ahead > 0 ? 'queued' : 'running';
      return;
    case 'note':
      to.points.notes.push([to.run.id, event.sequence, event.stage ?? null, event.time, event.level, event.message]);
      return;
    default:
      return collectStage(to, event);
  }
}

function collectRun(to: Collected, event: EventOf<'run.started' | 'run.resumed' | 'run.ended'>): void {
  const { run } = to;
  if (event.type === 'run.ended') {
    const { state, time: ended, seconds, message = null } = event;
    Object.assign(run, { state, ended, seconds, message });
    return;
  }
  Object.assign(run, { version: event.version, state: 'running', ended: null, seconds: null, message: null });
  if (event.type === 'run.started') {
    const { experiment, file, seed = null, commit = null } = event;
    Object.assign(run, { experiment, file, seed, commitHash: commit, started: event.time });
    for (const name of event.stages) stageRecord(to, name);
    return;
  }
  for (const stage of to.stages.values()) {
    if (stage.state !== 'finished' && stage.state !== 'cached')
      Object.assign(stage, { state: 'waiting', detail: null });
  }
}

function collectStage(to: Collected, event: Exclude<RunEvent, { type: `run.${string}` | 'note' }>): void {
  const stage = stageRecord(to, event.stage);
  stage.updated = event.time;
  if ('step' in event && event.step !== undefined) stage.step = event.step;
  switch (event.type) {
    case 'stage.started': {
      const { key, fromStep, steps, engine, time: began } = event;
      const fresh = { state: 'running', step: fromStep, seconds: null, fromRun: null, detail: null };
      Object.assign(stage, { key, fromStep, steps, engine, began, ...fresh });
      voidPoints(to, stage, fromStep);
      return;
    }
    case 'stage.job':
      // Of a job that runs the trainer says more.
      if (event.state === 'running') stage.detail = `job ${event.job} on ${event.node}`;
      else Object.assign(stage, { state: 'waiting', detail: `job ${event.job} ${event.reason}` });
      return;
    case 'stage.preparing':
      stage.state = 'preparing';
      stage.detail = `${event.what} ${event.done}${event.total === undefined ? '' : ` of ${event.total}`}`;
      return;
    case 'step':
      Object.assign(stage, { state: 'running', detail: null });
      to.points.steps.push(stepRow(to.run.id, event));
      if (event.routing.length) addRouting(to, event, '', event.routing);
      return;
    case 'evaluation':
      return addEvaluation(to, stage, event, event);
    case 'checkpoint':
      to.points.checkpoints.push([
        to.run.id,
        event.sequence,
        event.stage,
        event.step,
        event.folder,
        event.best ? 1 : 0,
      ]);
      return;
    case 'stage.cached':
      Object.assign(stage, { state: 'cached', key: event.key, fromRun: event.fromRun, detail: null });
      stage.step = event.evaluation.step;
      return addEvaluation(to, stage, event, event.evaluation);
    case 'stage.finished':
      Object.assign(stage, { state: 'finished', key: event.key, seconds: event.seconds, detail: null });
      return addEvaluation(to, stage, event, event.evaluation);
    case 'stage.stopped':
      Object.assign(stage, { state: 'stopped', detail: null });
      return;
    case 'stage.failed':
      Object.assign(stage, { state: 'failed', detail: `${event.message} (${event.reason})` });
  }
}

function stageRecord(to: Collected, name: string): StageRecord {
  let stage = to.stages.get(name);
  if (!stage) {
    const unknown = { key: null, step: null, steps: null, fromStep: null, began: null, updated: null, seconds: null };
    const nothing = { fromRun: null, engine: null, detail: null };
    stage = { run: to.run.id, name, position: to.stages.size, state: 'waiting', ...unknown, ...nothing };
    to.stages.set(name, stage);
  }
  return stage;
}

/** The tables whose points a resumed stage repeats. Notes stay: what they say happened. */
export const VOIDED_TABLES = ['steps', 'evaluations', 'evaluationDomains', 'routing', 'checkpoints'] as const;

function voidPoints(to: Collected, stage: StageRecord, afterStep: number): void {
  to.voided.push({ stage: stage.name, afterStep });
  for (const table of VOIDED_TABLES) {
    // Columns of every point table: run, sequence, stage, step.
    to.points[table] = to.points[table].filter((row) => row[2] !== stage.name || (row[3] as number) <= afterStep);
  }
}

function stepRow(run: string, event: EventOf<'step'>): SqlValue[] {
  const values: Record<string, unknown> = { run, ...event };
  return POINT_TABLES.steps.map((column) => values[column] as SqlValue);
}

interface Place {
  sequence: number;
  stage: string;
  step: number;
}

function addRouting(to: Collected, { sequence, stage, step }: Place, domain: string, routers: unknown): void {
  to.points.routing.push([to.run.id, sequence, stage, step, domain, JSON.stringify(routers)]);
}

function addEvaluation(to: Collected, stage: StageRecord, { sequence }: RunEvent, evaluation: Evaluation): void {
  const { step, tokens, flops, averagePerplexity, tasks = {} } = evaluation;
  const place = [to.run.id, sequence, stage.name, step];
  to.points.evaluations.push([...place, tokens, flops, averagePerplexity, JSON.stringify(tasks)]);
  Object.entries(evaluation.domains).forEach(([domain, { loss, perplexity, bitsPerByte, tokens: predicted }], i) => {
    to.points.evaluationDomains.push([...place, domain, i, loss, perplexity, bitsPerByte, predicted]);
  });
  for (const [domain, routers] of Object.entries(evaluation.routing)) {
    addRouting(to, { sequence, stage: stage.name, step }, domain, routers);
  }
}
