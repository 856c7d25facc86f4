import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, RunError } from '../base/errors';
import { lockHolder } from '../base/lock';
import { trainersOf } from './attempts';
import type { Workspace } from './layout';

/** How long a deleted run can be brought back. */
const KEPT_MILLISECONDS = 7 * 24 * 3600 * 1000;

/**
 * Moves a run out of the lists; `restoreRun` brings it back for a week. Checkpoints stay: other runs may use them.
 * Throws a `RunError` (`unknown-run`, `running`).
 */
export function deleteRun(workspace: Workspace, run: string): void {
  const folder = workspace.runFolder(run);
  const holder = lockHolder(workspace.runLockFile(run)) ?? trainersOf(workspace, run)[0];
  if (holder) {
    throw new RunError(`Run ${run} cannot be deleted while process ${holder.pid} works on it.`, {
      reason: 'running',
      advice: `Stop it first: bam stop ${run}`,
    });
  }
  if (!existsSync(folder)) throw unknownRun(run, '`bam runs` lists them.');
  emptyTrash(workspace);
  mkdirSync(workspace.trashFolder, { recursive: true });
  const target = join(workspace.trashFolder, run);
  rmSync(target, { recursive: true, force: true });
  renameSync(folder, target);
  // Its age in the trash counts from now, not from its last event.
  utimesSync(target, new Date(), new Date());
}

/** Brings a deleted run back. Throws a `RunError` (`unknown-run`, `exists`). */
export function restoreRun(workspace: Workspace, run: string): void {
  const folder = workspace.runFolder(run);
  const source = join(workspace.trashFolder, run);
  if (!existsSync(source)) throw unknownRun(run, 'Deleted runs are kept for a week.');
  if (existsSync(folder)) {
    throw new RunError(`Run ${run} is there already.`, { reason: 'exists', advice: 'Nothing needs to be restored.' });
  }
  mkdirSync(workspace.runsFolder, { recursive: true });
  renameSync(source, folder);
}

/** Deletes for good what has been in the trash for a week. */
function emptyTrash(workspace: Workspace): void {
  for (const name of trashed(workspace)) {
    const path = join(workspace.trashFolder, name);
    if (Date.now() - statSync(path).mtimeMs > KEPT_MILLISECONDS) rmSync(path, { recursive: true, force: true });
  }
}

function trashed(workspace: Workspace): string[] {
  try {
    return readdirSync(workspace.trashFolder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function unknownRun(run: string, advice: string): RunError {
  return new RunError(`There is no run ${run}.`, { reason: 'unknown-run', advice });
}
