import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RunError } from '../../base/errors';
import type { SlurmConfig } from '../../config/slurm-schema';
import { neededBy } from '../../plan/graph';
import type { StoredPlan, TrainerOrder } from '../../plan/order';
import type { PlannedStage } from '../../plan/plan';
import { type Attempt, nextAttempt } from '../../store/attempts';
import type { Workspace } from '../../store/layout';
import { TRAINER_ENVIRONMENT } from '../trainer';
import { type Arrangement, arrange, dependencyText, type JobPlace } from './arrange';
import type { SlurmClient } from './client';
import { batchJob } from './script';
import { newTag, recordSubmission, type Submission, submissionFolder } from './submissions';

export interface SubmitOptions {
  workspace: Workspace;
  run: string;
  client: SlurmClient;
  config: SlurmConfig;
  trainerScript: string;
  /** What the trainer of an attempt is told. */
  order: (stage: PlannedStage, attempt: Attempt) => TrainerOrder;
  /** Told of each submission before sbatch is called, and again with its id. */
  onSubmission: (submission: Submission) => void;
  /** Told of one that Slurm did not take. */
  onRefusal: (submission: Submission) => void;
}

/**
 * Submits stages, each behind those that it needs, in as few calls of sbatch as possible. `live` has the jobs of stages that have some.
 * Throws as `SlurmClient` does; what was submitted before stays.
 */
export async function submitStages(
  stages: readonly PlannedStage[],
  live: ReadonlyMap<string, JobPlace>,
  options: SubmitOptions,
): Promise<void> {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const named = stages.map((stage) => ({ name: stage.name, needs: neededBy(stage).map(({ name }) => name) }));
  const ids: string[] = [];
  for (const arrangement of arrange(named, live)) {
    const submission = prepare(arrangement, byName, options);
    const { after } = arrangement;
    const tasks = submission.stages.flatMap(({ task }) => task ?? []);
    const job = batchJob({
      config: options.config,
      name: `bam-${submission.stages[0]!.name.split('@')[0]}`,
      tag: submission.tag,
      tasks: tasks.length ? tasks : undefined,
      dependency: after && dependencyText(after, (number) => ids[number]!),
      folder: submissionFolder(options.workspace, options.run, submission.tag),
      trainerScript: options.trainerScript,
      node: process.execPath,
      environment: TRAINER_ENVIRONMENT,
    });
    const id = await options.client.submit(job).catch((error: unknown) => {
      // Where Slurm did not answer it may have taken the job all the same.
      if (!(error instanceof RunError) || error.reason !== 'controller-down')
        options.onRefusal(refuse(submission, options));
      throw error;
    });
    ids.push(id);
    recordSubmission(options.workspace, options.run, { ...submission, id });
    options.onSubmission({ ...submission, id });
  }
}

/** Removes what was written for a submission that was not taken. */
function refuse(submission: Submission, { workspace, run }: SubmitOptions): Submission {
  rmSync(submissionFolder(workspace, run, submission.tag), { recursive: true });
  return submission;
}

/** Writes what the jobs of a submission are told, and the submission itself. */
function prepare(
  arrangement: Arrangement,
  byName: ReadonlyMap<string, PlannedStage>,
  { workspace, run, order, onSubmission }: SubmitOptions,
): Submission {
  const tag = newTag(run);
  const folder = submissionFolder(workspace, run, tag);
  mkdirSync(folder, { recursive: true });
  const stages = arrangement.stages.map(({ name, task }) => {
    const attempt = nextAttempt(workspace, run, name);
    const { plan: _plan, ...rest } = order(byName.get(name)!, attempt);
    const stored: Omit<TrainerOrder, 'plan'> & StoredPlan = {
      ...rest,
      planFile: workspace.planFile(run),
      job: { firstAttempt: attempt.number },
    };
    mkdirSync(dirname(attempt.orderFile), { recursive: true });
    if (!existsSync(attempt.outputFile)) writeFileSync(attempt.outputFile, '');
    writeFileSync(attempt.orderFile, JSON.stringify(stored));
    // Where the batch script finds the two.
    writeFileSync(join(folder, `task-${task ?? 0}`), `${attempt.orderFile}\n${attempt.outputFile}\n`);
    return { name, task, attempt: attempt.number };
  });
  const submission = { tag, stages };
  recordSubmission(workspace, run, submission);
  onSubmission(submission);
  return submission;
}
