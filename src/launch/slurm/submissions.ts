import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files';
import type { Workspace } from '../../store/layout';

/** A job, or an array, that was or is about to be submitted. */
export interface Submission {
  /** Stands in the job's comment. Slurm may give an id twice after it crashed, so jobs are known by their tag. */
  tag: string;
  /** Absent until sbatch has said it. */
  id?: string;
  stages: SubmittedStage[];
}

export interface SubmittedStage {
  name: string;
  /** Its number in the array; absent for a job of its own. */
  task?: number | undefined;
  /** Which attempt at the stage the first start of the job is. */
  attempt: number;
}

/** The folder of a submission: what its jobs are told, and what Slurm itself prints. */
export function submissionFolder(workspace: Workspace, run: string, tag: string): string {
  return join(submissionsFolder(workspace, run), tag);
}

/** The folder of all submissions of a run. */
export function submissionsFolder(workspace: Workspace, run: string): string {
  return join(workspace.runFolder(run), 'slurm');
}

/** A tag that no other submission has. */
export function newTag(run: string): string {
  return `bam-${run}-${randomBytes(4).toString('hex')}`;
}

/** Writes a submission down: before sbatch is called, so that it is found again whatever happens, and again with its id. */
export function recordSubmission(workspace: Workspace, run: string, submission: Submission): void {
  const folder = submissionFolder(workspace, run, submission.tag);
  mkdirSync(folder, { recursive: true });
  writeFileAtomic(join(folder, 'job.json'), JSON.stringify(submission));
}

/** All submissions of a run. */
export function readSubmissions(workspace: Workspace, run: string): Submission[] {
  const folder = submissionsFolder(workspace, run);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((tag) => join(folder, tag, 'job.json'))
    .filter((path) => existsSync(path))
    .map((path) => JSON.parse(readFileSync(path, 'utf8')) as Submission);
}
