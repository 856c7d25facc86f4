import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { explainError, RunError } from '../../base/errors';
import type { SlurmConfig } from '../../config/slurm-schema';
import { listCheckpoints } from '../../checkpoint/checkpoint';
import type { RunEvent } from '../../events/event';
import { readLog } from '../../events/log';
import { neededBy } from '../../plan/graph';
import type { PlannedStage } from '../../plan/plan';
import { checkpointsFolder } from '../../plan/result';
import { attemptAt, lastAttempt } from '../../store/attempts';
import type { Workspace } from '../../store/layout';
import { describeFailures, leftOutNote } from '../execution';
import { finishedResult } from '../finished';
import type { RunSession } from '../session';
import type { StageOutcome, StageRunner } from '../stage-runner';
import { lastLines } from '../trainer';
import type { SlurmClient, SlurmJob } from './client';
import { type Evidence, judge, type Verdict } from './judge';
import { hasEnded, jobId, JobTable, type StageJob } from './job-table';
import { describeReason, phaseOf } from './states';
import { readSubmissions, type Submission, submissionFolder } from './submissions';
import { submitStages } from './submit';
import { takeStopRequest } from './stop-request';

/** How often Slurm is asked, with one call for all jobs. */
const POLL_MILLISECONDS = 2000;
/** How long after the end of a job its files may take to be seen on another machine. */
const SETTLING_MILLISECONDS = 5000;
/** How long to wait before submitting again what Slurm did not take. */
const RETRY_MILLISECONDS = 30_000;
/** How often a stage is submitted again that has made no new checkpoint. */
const MAXIMUM_TRIES = 3;
/** Failures of Slurm after which the same may work later. */
const PASSING = ['controller-down', 'limit'];

export interface SlurmOptions {
  workspace: Workspace;
  run: string;
  session: RunSession;
  /** Takes stages from the cache, and says what trainers are told. */
  runner: StageRunner;
  client: SlurmClient;
  config: SlurmConfig;
  trainerScript: string;
  signal: AbortSignal;
}

/** How far a stage is that is not at its end. */
interface OpenStage {
  stage: PlannedStage;
  /** Its last checkpoint when it was submitted last, and how often it was since it had another. */
  step: number;
  tries: number;
  isStopping: boolean;
  /** When its job was first seen to be over. */
  endedAt?: number;
  /** What the log said last of its job. */
  told?: string;
  /** The start that its requeued job was spared. */
  spared?: string;
}

/**
 * Executes the stages of a run as jobs of Slurm and watches them. All that it knows is on the disk or asked from Slurm, so that it may die
 * and another one go on: a stage has a job if one of Slurm's carries the tag of the stage's latest submission.
 */
export class SlurmExecution {
  private readonly open = new Map<string, OpenStage>();
  private readonly jobs = new JobTable();
  private readonly failures = new Map<string, string>();
  private readonly leftOut = new Set<string>();
  private readonly stopped = new Set<string>();
  /** The whole run was asked to stop. */
  private isStopped = false;
  /** What Slurm fails to do for now, which is said once. */
  private readonly troubles = new Set<string>();
  /** When submitting is tried again, in milliseconds since 1970. */
  private submitAt = 0;

  constructor(private readonly options: SlurmOptions) {}

  async execute(stages: readonly PlannedStage[]): Promise<StageOutcome> {
    const { workspace, run } = this.options;
    for (const submission of readSubmissions(workspace, run)) this.jobs.add(submission);
    for (const stage of stages) this.open.set(stage.name, { stage, step: -1, tries: 0, isStopping: false });
    try {
      // Before anything is submitted: what is wrong with Slurm, and jobs that are there.
      this.jobs.update(await this.options.client.jobs());
      if (hadEnded(readLog(workspace.eventsFile(run)).events)) this.forgetEnded();
      await this.untilEnd();
    } catch (error) {
      if (error instanceof RunError && error.reason === 'taken-over') throw error;
      await this.cancelAll();
      if (!(error instanceof RunError)) throw error;
      return { state: 'failed', message: explainError(error) };
    }
    if (this.isStopped) return { state: 'stopped' };
    if (this.failures.size) return { state: 'failed', message: describeFailures(this.failures) };
    return { state: this.stopped.size ? 'stopped' : 'finished' };
  }

  private async untilEnd(): Promise<void> {
    await this.tick();
    while (this.open.size) {
      await setTimeout(POLL_MILLISECONDS, undefined, { signal: this.options.signal }).catch(() => undefined);
      await this.unlessPassing('asking', async () => this.jobs.update(await this.options.client.jobs()));
      await this.tick();
    }
  }

  /** What ended in an earlier session, well or not, gets another chance. */
  private forgetEnded(): void {
    for (const name of this.open.keys()) {
      const job = this.jobs.get(name);
      if (job && (!job.seen || hasEnded(job))) this.jobs.forget(name);
    }
  }

  private async tick(): Promise<void> {
    this.options.session.assertOwner();
    this.takeRequests();
    for (const name of [...this.open.keys()]) this.look(name);
    await this.stopAsked();
    await this.submit();
  }

  /** Does what may fail for a while, as when Slurm does not answer; then nothing is known to have ended. A failure is said once. */
  private async unlessPassing(what: 'asking' | 'stopping' | 'submitting', work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.troubles.delete(what);
    } catch (error) {
      if (!(error instanceof RunError) || !PASSING.includes(error.reason)) throw error;
      if (what === 'submitting') this.submitAt = Date.now() + RETRY_MILLISECONDS;
      if (this.troubles.has(what)) return;
      this.troubles.add(what);
      this.options.session.append({ type: 'note', level: 'warning', message: explainError(error) });
    }
  }

  private takeRequests(): void {
    const { workspace, run, signal } = this.options;
    const asked = takeStopRequest(workspace, run);
    this.isStopped ||= signal.aborted || asked === 'all';
    for (const [name, open] of this.open) {
      if (this.isStopped || asked?.includes(name)) open.isStopping = true;
    }
  }

  /** Copies the log of a stage, and closes the stage if it is at its end. */
  private look(name: string): void {
    const { session } = this.options;
    const open = this.open.get(name)!;
    const job = this.jobs.get(name);
    if (!job || hasEnded(job)) {
      session.attempts.copyStage(name);
      if (job) this.close(open, judge(name, this.evidence(open, job)));
      else if (this.lacksParent(open)) this.close(open, { state: open.isStopping ? 'stopped' : 'left-out' });
      else if (open.isStopping) this.close(open, { state: 'stopped' });
      return;
    }
    delete open.endedAt;
    if (!job.seen) return;
    if (phaseOf(job.seen.state, job.seen.reason) === 'running') session.attempts.copyStage(name);
    this.tell(open, job.seen);
  }

  private evidence(open: OpenStage, job: StageJob): Evidence {
    const { workspace, run } = this.options;
    open.endedAt ??= Date.now();
    const { name } = open.stage;
    const slurmOutput = join(submissionFolder(workspace, run, job.submission.tag), `slurm-${job.own.task ?? 0}.txt`);
    const trainerOutput = attemptAt(workspace, run, name, job.own.attempt).outputFile;
    const attempt = lastAttempt(workspace, run, name);
    const began = attempt && attempt.number >= job.own.attempt ? attempt : undefined;
    return {
      phase: job.seen ? phaseOf(job.seen.state, job.seen.reason) : 'gone',
      job: jobId(job),
      state: job.seen?.state ?? 'gone',
      hasResult: finishedResult(workspace, open.stage) !== undefined,
      last: began && readLog(began.eventsFile).events.at(-1),
      output: [lastLines(trainerOutput, 5), lastLines(slurmOutput, 3)].filter(Boolean).join('\n'),
      lacksParent: this.lacksParent(open),
      hasOpenEnd: neededBy(open.stage).some((parent) => this.open.get(parent.name)?.endedAt !== undefined),
      isStopping: open.isStopping,
      isSettled: Date.now() - open.endedAt >= SETTLING_MILLISECONDS,
    };
  }

  /** A needed stage failed, was left out or stopped. */
  private lacksParent({ stage }: OpenStage): boolean {
    return this.parentWithoutResult(stage) !== undefined;
  }

  private parentWithoutResult(stage: PlannedStage): string | undefined {
    const isLost = (name: string): boolean =>
      this.failures.has(name) || this.leftOut.has(name) || this.stopped.has(name);
    return neededBy(stage).find(({ name }) => isLost(name))?.name;
  }

  private close(open: OpenStage, verdict: Verdict): void {
    const { name } = open.stage;
    const { session, runner } = this.options;
    switch (verdict.state) {
      case 'wait':
        return;
      case 'again':
        this.jobs.forget(name);
        delete open.endedAt;
        return;
      case 'finished':
        // Also where the trainer died between writing the result and saying so.
        if (!verdict.said) runner.takeFromCache(open.stage);
        break;
      case 'stopped':
        this.stopped.add(name);
        break;
      case 'left-out':
        this.leftOut.add(name);
        session.append(leftOutNote(name, this.parentWithoutResult(open.stage)!));
        break;
      case 'failed': {
        const message = verdict.message.replaceAll('RUN', this.options.run);
        this.failures.set(name, message);
        if (!verdict.said) session.append({ type: 'stage.failed', stage: name, reason: verdict.reason, message });
      }
    }
    this.open.delete(name);
  }

  /** Says in the log what Slurm says of a job, if it is something new. */
  private tell(open: OpenStage, { id, state, reason, nodes, start }: SlurmJob): void {
    const isRunning = phaseOf(state, reason) === 'running';
    const said = isRunning
      ? { state: 'running' as const, node: nodes }
      : { state: 'waiting' as const, reason: describeReason(reason), ...(start && { expected: start * 1000 }) };
    const told = JSON.stringify([id, said.state, isRunning ? nodes : reason]);
    if (told === open.told) return;
    open.told = told;
    this.options.session.append({ type: 'stage.job', stage: open.stage.name, job: id, ...said });
  }

  /** Cancels the jobs of stages that are to stop: those that wait at once, those that run behind a checkpoint. */
  private async stopAsked(): Promise<void> {
    const jobs = [...this.open.values()].flatMap(({ stage, isStopping }) => {
      const job = this.jobs.get(stage.name);
      return isStopping && job?.seen && !hasEnded(job) ? job.seen : [];
    });
    if (jobs.length) await this.unlessPassing('stopping', () => cancelJobs(this.options.client, jobs));
  }

  /** Submits every stage that has no job, and lets those start at once that went back into the queue. */
  private async submit(): Promise<void> {
    const { workspace, run, runner, client, config, trainerScript } = this.options;
    await this.spareDelays();
    if (Date.now() < this.submitAt) return;
    const wanted: PlannedStage[] = [];
    for (const open of [...this.open.values()]) {
      if (this.jobs.get(open.stage.name) || open.isStopping) continue;
      if (await this.isReady(open)) wanted.push(open.stage);
    }
    if (!wanted.length) return;
    const live = this.jobs.places([...this.open.keys()].filter((name) => !wanted.some((stage) => stage.name === name)));
    await this.unlessPassing('submitting', () =>
      submitStages(wanted, live, {
        ...{ workspace, run, client, config, trainerScript },
        order: (stage, attempt) => runner.order(stage, attempt),
        onSubmission: (submission) => this.addSubmission(submission),
        onRefusal: (submission) => submission.stages.forEach(({ name }) => this.jobs.forget(name)),
      }),
    );
  }

  private addSubmission(submission: Submission): void {
    this.jobs.add(submission);
    if (submission.id !== undefined) for (const { name } of submission.stages) this.open.get(name)!.tries++;
  }

  /** Whether a stage is to be submitted: it is neither done nor tried too often. */
  private async isReady(open: OpenStage): Promise<boolean> {
    const { workspace, runner } = this.options;
    const { stage } = open;
    if (runner.takeFromCache(stage)) {
      this.open.delete(stage.name);
      return false;
    }
    const step = listCheckpoints(checkpointsFolder(workspace.stagesFolder, stage.key)).at(-1) ?? 0;
    if (step > open.step) open.tries = 0;
    open.step = step;
    if (open.tries >= MAXIMUM_TRIES) {
      const message = `Stage ${stage.name} was submitted ${MAXIMUM_TRIES} times and came no further than step ${step}.`;
      this.close(open, { state: 'failed', reason: 'no-progress', message, said: false });
      return false;
    }
    const failed = await runner.prepare(stage);
    if (!failed) return true;
    this.failures.set(stage.name, failed.message ?? 'failed');
    this.open.delete(stage.name);
    return false;
  }

  /** Slurm holds a job for two minutes that went back into the queue. */
  private async spareDelays(): Promise<void> {
    for (const open of this.open.values()) {
      const seen = this.jobs.get(open.stage.name)?.seen;
      if (seen?.reason !== 'BeginTime' || open.isStopping) continue;
      const delay = `${seen.id} ${seen.start}`;
      if (open.spared === delay) continue;
      open.spared = delay;
      await this.options.client.startNow(seen.id).catch(() => undefined);
    }
  }

  /** Before an error ends the run: no job of it stays. */
  private async cancelAll(): Promise<void> {
    this.jobs.update(await this.options.client.jobs().catch(() => []));
    const own = [...this.open.keys()].flatMap((name) => this.jobs.get(name)?.seen ?? []);
    await cancelJobs(this.options.client, own).catch(() => undefined);
  }
}

/** Whether the session before this one came to its end, rather than being killed. */
function hadEnded(events: readonly RunEvent[]): boolean {
  const sessions = events.filter(({ type }) => ['run.started', 'run.resumed', 'run.ended'].includes(type));
  return sessions.at(-2)?.type === 'run.ended';
}

/** Cancels jobs: those that wait at once; those that run are asked to save a checkpoint and end. */
export async function cancelJobs(client: SlurmClient, jobs: readonly SlurmJob[]): Promise<void> {
  const idsOf = (wanted: string): string[] =>
    jobs.filter(({ state, reason }) => phaseOf(state, reason) === wanted).map(({ id }) => id);
  await client.cancel(idsOf('waiting'));
  await client.cancel(idsOf('running'), 'TERM');
}
