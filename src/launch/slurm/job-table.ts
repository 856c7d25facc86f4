import type { JobPlace } from './arrange';
import type { SlurmJob } from './client';
import { isOver, phaseOf } from './states';
import type { Submission, SubmittedStage } from './submissions';

/** The latest job of a stage, as far as it is known. */
export interface StageJob {
  submission: Submission;
  own: SubmittedStage;
  /** As Slurm said it last; absent where it does not know the job, or was not asked yet. */
  seen: SlurmJob | undefined;
  /** How many times in a row Slurm answered and did not know it. */
  missed: number;
}

/** How often Slurm must not know a job before it counts as gone. */
const MAXIMUM_MISSED = 2;

/** The latest submission of each stage of a run, with what Slurm says of it. */
export class JobTable {
  private readonly jobs = new Map<string, StageJob>();

  /** Takes note of a submission, or of its id. */
  add(submission: Submission): void {
    for (const own of submission.stages) {
      const known = this.jobs.get(own.name);
      if (known && known.own.attempt > own.attempt) continue;
      const isSame = known?.submission.tag === submission.tag;
      this.jobs.set(own.name, { submission, own, seen: isSame ? known.seen : undefined, missed: 0 });
    }
  }

  /** Takes in an answer of Slurm. Jobs are told by their tags, since ids may be given twice. */
  update(answer: readonly SlurmJob[]): void {
    const byTag = new Map<string, Map<string, SlurmJob>>();
    for (const job of answer) {
      const tasks = byTag.get(job.tag) ?? new Map<string, SlurmJob>();
      byTag.set(job.tag, tasks.set(job.id.split('_')[1] ?? '', job));
    }
    for (const job of this.jobs.values()) {
      const { tag } = job.submission;
      job.seen = byTag.get(tag)?.get(job.own.task === undefined ? '' : String(job.own.task));
      job.missed = job.seen ? 0 : job.missed + 1;
      // sbatch may have been cut off before it said the id.
      const id = job.seen?.id.split('_')[0];
      if (id !== undefined) job.submission.id = id;
    }
  }

  get(stage: string): StageJob | undefined {
    return this.jobs.get(stage);
  }

  /** Forgets the job of a stage, which gets another one. */
  forget(stage: string): void {
    this.jobs.delete(stage);
  }

  /** Where the jobs of some stages stand that wait or run. */
  places(stages: Iterable<string>): Map<string, JobPlace> {
    const places = new Map<string, JobPlace>();
    for (const stage of stages) {
      const job = this.jobs.get(stage);
      if (job?.submission.id !== undefined) places.set(stage, { job: job.submission.id, task: job.own.task });
    }
    return places;
  }
}

/** Whether a job does nothing any more, for all that is known; one that was submitted a moment ago may not be known yet. */
export function hasEnded({ seen, missed }: StageJob): boolean {
  return seen ? isOver(phaseOf(seen.state, seen.reason)) : missed >= MAXIMUM_MISSED;
}

/** The id that commands take: of a task of an array `17_4`. */
export function jobId({ submission, own, seen }: StageJob): string {
  return seen?.id ?? `${submission.id ?? '?'}${own.task === undefined ? '' : `_${own.task}`}`;
}
