import { RunError } from '../base/errors';
import type { Database } from './database';

/** Counts up with every change below; an index of an older version is made again from the logs. */
export const SCHEMA_VERSION = 4;

/**
 * Rows that events add, keyed by run and sequence number (and domain, where an event has several rows). `stage` and `step`
 * say what a resumed stage voids. `routers` is a JSON list of what every router did: it is always read whole.
 */
export const POINT_TABLES = {
  steps: [
    'run',
    'sequence',
    'stage',
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
    'tensors',
  ],
  /** `tasks` is JSON by task. */
  evaluations: ['run', 'sequence', 'stage', 'step', 'tokens', 'flops', 'average', 'tasks'],
  evaluationDomains: [
    'run',
    'sequence',
    'stage',
    'step',
    'domain',
    'position',
    'loss',
    'perplexity',
    'bitsPerByte',
    'tokens',
  ],
  /** `domain` is empty for the training batch of a step. */
  routing: ['run', 'sequence', 'stage', 'step', 'domain', 'routers'],
  checkpoints: ['run', 'sequence', 'stage', 'step', 'folder', 'best'],
  notes: ['run', 'sequence', 'stage', 'time', 'level', 'message'],
} as const;
export type PointTable = keyof typeof POINT_TABLES;

/**
 * One row for each run. `title` to `archived` are its annotations; the last five columns say how far its log was taken in, and
 * when its log and its annotations were last written.
 */
export const RUN_COLUMNS = [
  'id',
  'experiment',
  'file',
  'seed',
  'commitHash',
  'version',
  'state',
  'started',
  'ended',
  'seconds',
  'message',
  'title',
  'starred',
  'tags',
  'note',
  'archived',
  'offset',
  'sequence',
  'head',
  'logModified',
  'annotated',
] as const;

export const STAGE_COLUMNS = [
  'run',
  'name',
  'position',
  'key',
  'state',
  'step',
  'steps',
  'fromStep',
  'began',
  'updated',
  'seconds',
  'fromRun',
  'engine',
  'detail',
] as const;

/** What lists show of a stage's last evaluation, kept beside the stage so that a thousand runs are read at once. `perplexity` is JSON by domain. */
const RESULT_COLUMNS = ['average', 'trained', 'flops', 'perplexity'] as const;

/** Takes the last evaluation of a stage (parameters: run, stage, run, stage) into its row. */
export const UPDATE_RESULT = `
  update stages set (${RESULT_COLUMNS.join(', ')}) = (
    select average, tokens, flops, (
      select json_group_object(domain, perplexity) from (
        select domain, perplexity from evaluationDomains as d
        where d.run = e.run and d.sequence = e.sequence order by position
      )
    ) from evaluations as e where run = ? and stage = ? order by sequence desc limit 1
  ) where run = ? and name = ?`;

function createStatements(): string {
  const points = Object.entries(POINT_TABLES).map(([table, columns]) => {
    const names: readonly string[] = columns;
    const key = names.includes('domain') ? 'run, sequence, domain' : 'run, sequence';
    return `create table ${table} (${names.join(', ')}, primary key (${key}));`;
  });
  return [
    ...points,
    `create table runs (${RUN_COLUMNS.join(', ')}, primary key (id));`,
    `create table stages (${[...STAGE_COLUMNS, ...RESULT_COLUMNS].join(', ')}, primary key (run, name));`,
    'create index stagesByKey on stages (key);',
    'create index stepsByTime on steps (time);',
    'create index evaluationsByStage on evaluations (run, stage, sequence);',
    'create table problems (run, message);',
    `pragma user_version = ${SCHEMA_VERSION};`,
  ].join('\n');
}

/**
 * Makes an empty database an index. Returns `older` for an index of an earlier version, which the caller replaces.
 * Throws a `RunError` (reason `newer-index`) for one that a later version of this program made.
 */
export async function prepareSchema(database: Database, path: string): Promise<'ready' | 'older'> {
  const version = (await database.get<{ user_version: number }>('pragma user_version'))!.user_version;
  if (version === SCHEMA_VERSION) return 'ready';
  if (version > SCHEMA_VERSION) {
    throw new RunError(`${path} has version ${version}; this program reads version ${SCHEMA_VERSION}.`, {
      reason: 'newer-index',
      advice: 'Update BAM Studio, or run `bam index --rebuild`, which makes the index again from the logs of the runs.',
    });
  }
  if (version !== 0) return 'older';
  await database.exec('pragma journal_mode = wal');
  await database.transaction(() => database.exec(createStatements()));
  return 'ready';
}
