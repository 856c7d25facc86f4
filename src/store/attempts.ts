import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../base/errors';
import { lockHolder, type LockHolder } from '../base/lock';
import { TRAINER_LOCK, type Workspace } from './layout';

/** One attempt at a stage of a run: a trainer process, with files of its own. All paths are absolute. */
export interface Attempt {
  run: string;
  /** Name of the stage. */
  stage: string;
  /** Counts the attempts at a stage of a run from 1, those of earlier sessions among them. */
  number: number;
  /** What the trainer is told. */
  orderFile: string;
  /** The log that the trainer writes. */
  eventsFile: string;
  /** What the trainer printed. */
  outputFile: string;
  /** Held while the trainer lives. */
  trainerLockFile: string;
}

/** An attempt at a stage of a run, by its number. */
export function attemptAt(workspace: Workspace, run: string, stage: string, number: number): Attempt {
  const file = (suffix: string): string => join(workspace.attemptsFolder(run, stage), `${number}.${suffix}`);
  return {
    ...{ run, stage, number },
    orderFile: file('order.json'),
    eventsFile: file('ndjson'),
    outputFile: file('txt'),
    trainerLockFile: workspace.trainerLockFile(run, stage),
  };
}

/** The latest attempt at a stage of a run; `undefined` before the first. */
export function lastAttempt(workspace: Workspace, run: string, stage: string): Attempt | undefined {
  const numbers = entries(workspace.attemptsFolder(run, stage)).map((name) => Number(/^(\d+)\./.exec(name)?.[1] ?? 0));
  const last = Math.max(0, ...numbers);
  return last ? attemptAt(workspace, run, stage, last) : undefined;
}

/** The next attempt at a stage of a run, of which no file is there yet. */
export function nextAttempt(workspace: Workspace, run: string, stage: string): Attempt {
  return attemptAt(workspace, run, stage, (lastAttempt(workspace, run, stage)?.number ?? 0) + 1);
}

/** The live trainers of a run. */
export function trainersOf(workspace: Workspace, run: string): LockHolder[] {
  const folder = workspace.allAttemptsFolder(run);
  return entries(folder).flatMap((name) => lockHolder(join(folder, name, TRAINER_LOCK)) ?? []);
}

/** The files with what a run's trainers printed, those that printed nothing left out. The latest comes last. */
export function outputsOf(workspace: Workspace, run: string): string[] {
  const folder = workspace.allAttemptsFolder(run);
  return entries(folder)
    .flatMap((stage) => entries(join(folder, stage)).map((name) => join(folder, stage, name)))
    .filter((path) => path.endsWith('.txt'))
    .map((path) => ({ path, ...statSync(path) }))
    .filter(({ size }) => size > 0)
    .sort((a, b) => a.mtimeMs - b.mtimeMs)
    .map(({ path }) => path);
}

/** Whether a process of a run lives. A trainer whose launcher died is at work for as long as it takes to save a checkpoint. */
export function isHeld(workspace: Workspace, run: string): boolean {
  return lockHolder(workspace.runLockFile(run)) !== undefined || trainersOf(workspace, run).length > 0;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
