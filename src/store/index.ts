import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { RunError, hasCode } from '../base/errors';
import { Database } from './database';
import { ingestAll, type Ingested } from './ingest';
import { listRuns, type Workspace } from './layout';
import { waitForLock } from '../base/lock';
import { prepareSchema } from './schema';

/** How long opening waits for a process that opens or replaces the index. */
const OPENING_MILLISECONDS = 30_000;
/** SQLite keeps these beside a database; they belong to that one file and must never meet another. */
const COMPANIONS = ['-wal', '-shm', '-journal'];

/**
 * Opens the index, takes in what is new in the logs, hands it to `use` and closes it. An index that is missing, of an older
 * version or damaged is made again from the logs (a damaged one is moved aside); `problems` says so, and names damaged
 * lines of logs; `changed` names the runs that had something new. Where the workspace has no `.bam` folder, `use` gets an empty index and nothing is created.
 * Throws a `RunError` (`newer-index`, `no-sqlite`, `locked`).
 */
export async function withIndex<T>(
  workspace: Workspace,
  use: (index: Database) => Promise<T>,
): Promise<{ value: T; changed: string[]; problems: string[] }> {
  const problems: string[] = [];
  for (let isRetry = false; ; isRetry = true) {
    const opened = await openIndex(workspace);
    // The second time, the index is missing because it was moved aside, which has been said.
    if (!isRetry) problems.push(...opened.problems);
    try {
      const ingested = await ingestAll(workspace, opened.index);
      problems.push(...ingested.problems);
      return { value: await use(opened.index), changed: ingested.runs, problems };
    } catch (error) {
      if (isRetry || !isDamage(error)) throw error;
    } finally {
      await opened.index.close().catch(() => undefined);
    }
    problems.push(...(await replaceDamaged(workspace, opened.file)));
  }
}

/**
 * Makes the index again from all logs, in a new file that then replaces the old one. A process that has the old one open
 * goes on with it until it closes it.
 */
export async function rebuildIndex(workspace: Workspace): Promise<Ingested> {
  if (!existsSync(workspace.folder)) return { events: 0, runs: [], problems: [] };
  const path = `${workspace.indexFile}.${process.pid}.new`;
  removeIndex(path);
  try {
    const fresh = await Database.open(path);
    try {
      await prepareSchema(fresh, path);
      const ingested = await ingestAll(workspace, fresh);
      await fresh.close();
      await underLock(workspace, async () => {
        removeIndex(workspace.indexFile);
        renameSync(path, workspace.indexFile);
      });
      return ingested;
    } finally {
      await fresh.close().catch(() => undefined);
    }
  } finally {
    removeIndex(path);
  }
}

interface Opened {
  index: Database;
  problems: string[];
  /** Tells this index file from one that replaces it. */
  file: bigint | undefined;
}

async function openIndex(workspace: Workspace): Promise<Opened> {
  if (!existsSync(workspace.folder)) {
    const index = await Database.open(':memory:');
    await prepareSchema(index, ':memory:');
    return { index, problems: [], file: undefined };
  }
  return underLock(workspace, async () => {
    const problems = removeRemains(workspace);
    for (let isRetry = false; ; isRetry = true) {
      const index = await Database.open(workspace.indexFile);
      let state: 'ready' | 'older' | 'damaged';
      try {
        // What an index that somebody else made calls functions for stays undone.
        await index.exec('pragma synchronous = normal; pragma trusted_schema = off');
        state = await prepareSchema(index, workspace.indexFile);
      } catch (error) {
        await index.close();
        if (isRetry || !isDamage(error)) throw error;
        state = 'damaged';
      }
      if (state === 'ready') return { index, problems, file: fileNumber(workspace.indexFile) };
      if (state === 'older') {
        await index.close();
        removeIndex(workspace.indexFile);
      } else problems.push(moveAside(workspace.indexFile));
    }
  });
}

/** One process at a time opens or replaces the index, so that nobody opens a file whose companions are another's. */
async function underLock<T>(workspace: Workspace, work: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(`${workspace.indexFile}.lock`, 'The index', OPENING_MILLISECONDS);
  try {
    return await work();
  } catch (error) {
    if (!hasCode(error, 'EBUSY') && !hasCode(error, 'EPERM')) throw error;
    throw new RunError(`${workspace.indexFile} should be replaced, but another program has it open.`, {
      reason: 'index-in-use',
      advice: 'Close other windows and commands that use this workspace, then try again.',
      cause: error,
    });
  } finally {
    lock.release();
  }
}

/** Clears what a deleted or emptied index left behind. */
function removeRemains(workspace: Workspace): string[] {
  if (statSync(workspace.indexFile, { throwIfNoEntry: false })?.size) return [];
  removeIndex(workspace.indexFile);
  const runs = listRuns(workspace).length;
  if (!runs) return [];
  return [`${workspace.indexFile} was missing; it was made from the logs of ${runs} run${runs === 1 ? '' : 's'}.`];
}

/** Moves a damaged index aside, unless another process did so since this one opened it. */
function replaceDamaged(workspace: Workspace, opened: bigint | undefined): Promise<string[]> {
  return underLock(workspace, async () =>
    fileNumber(workspace.indexFile) === opened ? [moveAside(workspace.indexFile)] : [],
  );
}

function moveAside(path: string): string {
  const aside = `${path}.damaged-${new Date().toISOString().replace(/[:.]/g, '-')}`;
  renameSync(path, aside);
  for (const companion of COMPANIONS) {
    if (existsSync(path + companion)) renameSync(path + companion, aside + companion);
  }
  return `${path} was damaged; it was moved to ${aside} and made again from the logs.`;
}

function removeIndex(path: string): void {
  // The database first: companions without one are removed at the next opening, a database without its own may be wrong.
  for (const file of [path, ...COMPANIONS.map((companion) => path + companion)]) rmSync(file, { force: true });
}

function fileNumber(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

function isDamage(error: unknown): boolean {
  if (hasCode(error, 'SQLITE_CORRUPT') || hasCode(error, 'SQLITE_NOTADB')) return true;
  return hasCode(error, 'SQLITE_ERROR') && /no such (table|column)/.test((error as Error).message);
}
