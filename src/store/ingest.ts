import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { hasCode } from '../base/errors';
import { readLog } from '../events/log';
import { annotatedAt, readAnnotations } from './annotations';
import {
  collectEvents,
  newRunRecord,
  VOIDED_TABLES,
  type Collected,
  type RunRecord,
  type StageRecord,
} from './collect';
import type { Database, SqlValue } from './database';
import { listRuns, type Workspace } from './layout';
import { POINT_TABLES, RUN_COLUMNS, STAGE_COLUMNS, type PointTable, UPDATE_RESULT } from './schema';

/** Rows that go to SQLite in one statement (at most 32766 values): this took a third of the time of one row a statement. */
const ROWS_A_STATEMENT = 500;
/** Events that are read at once: the editor's extension host must not stand still, and SQLite's answer lets it go on. */
const EVENTS_A_PART = 100;
/** How much of a log's first line tells it from another log. */
const HEAD_LENGTH = 65_536;

/** What taking in the logs changed. */
export interface Ingested {
  events: number;
  /** Runs that had something new, or are gone. */
  runs: string[];
  /** In plain words: damaged lines, logs that were replaced. */
  problems: string[];
}

/**
 * Takes what is new in the log of one run into the index, as one transaction; doing it again changes nothing.
 * A log that was replaced or cut back is taken in anew.
 */
export function ingestRun(workspace: Workspace, index: Database, run: string): Promise<Ingested> {
  return index.transaction(() => ingest(workspace, index, run));
}

/** Takes in the logs of all runs, and drops the runs whose folder is gone. */
export async function ingestAll(workspace: Workspace, index: Database): Promise<Ingested> {
  const runs = listRuns(workspace);
  const total: Ingested = { events: 0, runs: [], problems: [] };
  const known = await index.all<RunRecord>('select * from runs');
  const records = new Map(known.map((record) => [record.id, record]));
  for (const run of runs) {
    if (isTakenIn(workspace, run, records.get(run))) continue;
    const { events, runs: changed, problems } = await ingestRun(workspace, index, run);
    total.events += events;
    total.runs.push(...changed);
    total.problems.push(...problems);
  }
  const present = new Set(runs);
  for (const run of records.keys()) {
    if (present.has(run)) continue;
    await index.transaction(() => forget(index, run));
    total.runs.push(run);
  }
  return total;
}

/** Most logs of a workspace are finished: one look at the two files says so, and nothing is opened. */
function isTakenIn(workspace: Workspace, run: string, record: RunRecord | undefined): boolean {
  const log = statSync(workspace.eventsFile(run), { throwIfNoEntry: false });
  if (!record) return !log?.size;
  const isSame = log?.size === record.offset && log.mtimeMs === record.logModified;
  return isSame && annotatedAt(workspace, run) === record.annotated;
}

async function ingest(workspace: Workspace, index: Database, id: string): Promise<Ingested> {
  const path = workspace.eventsFile(id);
  const head = readHead(path);
  const problems: string[] = [];
  let record = await index.get<RunRecord>('select * from runs where id = ?', [id]);
  if (record && !(head && continues(head, record))) {
    problems.push(`${path} is not the log that was read before (replaced or cut back): read anew.`);
    await forget(index, id);
    record = undefined;
  }
  const run = record ?? newRunRecord(id);
  let events = 0;
  for (let isFirst = record === undefined; ; isFirst = false) {
    const part = readLog(path, run.offset, EVENTS_A_PART);
    if (part.offset === run.offset) break;
    const stages = await index.all<StageRecord>('select * from stages where run = ? order by position', [id]);
    const collected = collectEvents(run, stages, part.events);
    Object.assign(run, { offset: part.offset, head: head?.hash ?? '', logModified: head?.modified ?? 0 });
    if (!isFirst) await deleteVoided(index, collected);
    await store(index, collected, part.problems);
    problems.push(...part.problems);
    events += part.events.length;
  }
  await storeAside(workspace, index, run, head);
  return { events, runs: [id], problems };
}

/** Annotations, and a log that was only touched. */
async function storeAside(
  workspace: Workspace,
  index: Database,
  run: RunRecord,
  head: Head | undefined,
): Promise<void> {
  const { title, starred, tags, note, archived } = readAnnotations(workspace, run.id);
  const annotated = annotatedAt(workspace, run.id);
  await index.run(
    `update runs set title = ?, starred = ?, tags = ?, note = ?, archived = ?, annotated = ?, logModified = ? where id = ?`,
    [title, Number(starred), JSON.stringify(tags), note, Number(archived), annotated, head?.modified ?? 0, run.id],
  );
}

interface Head {
  size: number;
  /** When it was last written, in milliseconds since 1970. */
  modified: number;
  /** Hash of the first line; empty while that is not whole. */
  hash: string;
  /** The byte before this offset of the file. */
  byteBefore(offset: number): number;
}

function readHead(path: string): Head | undefined {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(HEAD_LENGTH);
    const head = bytes.subarray(0, readSync(handle, bytes, 0, HEAD_LENGTH, 0));
    const end = head.indexOf(10);
    const line = end < 0 && head.length < HEAD_LENGTH ? '' : head.subarray(0, end < 0 ? HEAD_LENGTH : end);
    const hash = line === '' ? '' : createHash('sha256').update(line).digest('hex');
    const { size, mtimeMs: modified } = fstatSync(handle);
    return { size, modified, hash, byteBefore: (offset) => lastByte(path, offset) };
  } finally {
    closeSync(handle);
  }
}

function lastByte(path: string, offset: number): number {
  const byte = Buffer.alloc(1);
  const handle = openSync(path, 'r');
  try {
    readSync(handle, byte, 0, 1, offset - 1);
    return byte[0]!;
  } finally {
    closeSync(handle);
  }
}

/** True where the log can be read on from where the last reading ended: same first line, not shorter, at a line's end. */
function continues(head: Head, record: RunRecord): boolean {
  return head.hash === record.head && head.size >= record.offset && head.byteBefore(record.offset) === 10;
}

async function forget(index: Database, run: string): Promise<void> {
  for (const table of [...Object.keys(POINT_TABLES), 'stages', 'problems']) {
    await index.run(`delete from ${table} where run = ?`, [run]);
  }
  await index.run('delete from runs where id = ?', [run]);
}

async function deleteVoided(index: Database, { run, voided }: Collected): Promise<void> {
  for (const { stage, afterStep } of voided) {
    for (const table of VOIDED_TABLES) {
      await index.run(`delete from ${table} where run = ? and stage = ? and step > ?`, [run.id, stage, afterStep]);
    }
  }
}

async function store(index: Database, { run, stages, points }: Collected, problems: string[]): Promise<void> {
  await insert(index, 'insert or replace', 'runs', RUN_COLUMNS, [RUN_COLUMNS.map((column) => run[column])]);
  const stageRows = [...stages.values()].map((stage) => STAGE_COLUMNS.map((column) => stage[column]));
  for (const table of Object.keys(POINT_TABLES) as PointTable[]) {
    await insert(index, 'insert or ignore', table, POINT_TABLES[table], points[table]);
  }
  await insert(index, 'insert or replace', 'stages', STAGE_COLUMNS, stageRows);
  for (const name of stages.keys()) await index.run(UPDATE_RESULT, [run.id, name, run.id, name]);
  const messages = problems.map((message) => [run.id, message]);
  await insert(index, 'insert', 'problems', ['run', 'message'], messages);
}

async function insert(
  index: Database,
  verb: string,
  table: string,
  columns: readonly string[],
  rows: SqlValue[][],
): Promise<void> {
  const places = `(${columns.map(() => '?').join(', ')})`;
  for (let i = 0; i < rows.length; i += ROWS_A_STATEMENT) {
    const some = rows.slice(i, i + ROWS_A_STATEMENT);
    const sql = `${verb} into ${table} (${columns.join(', ')}) values ${some.map(() => places).join(', ')}`;
    await index.run(sql, some.flat());
  }
}
