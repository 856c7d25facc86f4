import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { hasCode, RunError } from '../../base/errors';
import type { BatchJob } from './script';

/** How long a call may take: with a controller that does not answer, Slurm's commands wait for minutes. */
const CALL_MILLISECONDS = 30_000;

/** A job, or a task of an array, as squeue tells it. */
export interface SlurmJob {
  /** `17`, or of an array `17_4`. */
  id: string;
  /** Slurm's own word, e.g. `PENDING`. */
  state: string;
  reason: string;
  /** Where it runs or ran; empty before. */
  nodes: string;
  /** When it began, or is expected to, in seconds since 1970; absent where Slurm does not know. */
  start?: number;
  /** The comment that it was submitted with. */
  tag: string;
}

/** Runs a command to its end. */
export type RunCommand = (
  command: string,
  args: readonly string[],
  input?: string,
) => Promise<{ code: number | null; stdout: string; stderr: string }>;

/**
 * Slurm's commands, each with a time limit. All throw a `RunError` that names the cause: `no-slurm`, `controller-down`, `partition`,
 * `account`, `limit`, `too-much`, `too-long`, `no-space`, or `slurm` for all else.
 */
export class SlurmClient {
  constructor(private readonly run: RunCommand = runCommand) {}

  /** Submits a job or an array and gives its id. */
  async submit({ arguments: args, script }: BatchJob): Promise<string> {
    const stdout = await this.call('sbatch', args, script);
    // With several clusters `--parsable` adds the cluster's name.
    const id = stdout.trim().split(';')[0]!;
    if (/^\d+$/.test(id)) return id;
    throw new RunError(`sbatch should have printed the id of a job, but printed ${JSON.stringify(stdout)}.`, {
      reason: 'slurm',
    });
  }

  /** All jobs of this user that Slurm still knows, tasks of arrays one by one, those that ended lately too: one call. */
  async jobs(): Promise<SlurmJob[]> {
    const format = '%i|%T|%r|%N|%S|%k';
    const args = ['--noheader', '--array', '--states=all', `--user=${userInfo().username}`, `--format=${format}`];
    return parseJobs(await this.call('squeue', args));
  }

  /** Cancels jobs: `TERM` asks the script of a running one to save a checkpoint and end; without a signal it is ended by Slurm. */
  async cancel(ids: readonly string[], signal?: 'TERM'): Promise<void> {
    if (!ids.length) return;
    const args = ['--quiet', ...(signal ? ['--batch', `--signal=${signal}`] : []), ...ids];
    const { code, stdout, stderr } = await this.run('scancel', args);
    const said = stderr.trim() || stdout.trim();
    // A job that ended meanwhile needs no cancelling: with `--quiet` Slurm fails then without a word, or says so.
    if (code !== 0 && said && !ALREADY_OVER.test(said)) throw explain('scancel', said);
  }

  /** Lets a requeued job start at once: Slurm itself waits two minutes. */
  async startNow(id: string): Promise<void> {
    await this.call('scontrol', ['update', `JobId=${id}`, 'StartTime=now']);
  }

  private async call(command: string, args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, args, input);
    if (code === 0) return stdout;
    throw explain(command, stderr.trim() || stdout.trim());
  }
}

const ALREADY_OVER = /already completing or completed|Invalid job id/i;

/** The lines of `squeue` in the format above. The comment stands last, since it may hold anything. */
export function parseJobs(text: string): SlurmJob[] {
  return text
    .split('\n')
    .filter((line) => line.split('|').length >= 6)
    .map((line) => {
      const [id, state, reason, nodes, start, ...comment] = line.trim().split('|') as [string, string, ...string[]];
      const seconds = Number(start);
      return {
        ...{ id, state, reason: reason!, nodes: nodes!, tag: comment.join('|') },
        ...(Number.isFinite(seconds) && seconds > 0 && { start: seconds }),
      };
    });
}

/** What Slurm's commands say when something is wrong, with what it is and what helps. */
const CAUSES: [RegExp, reason: string, message: string, advice: string][] = [
  [
    /Unable to contact slurm controller|Socket timed out|Connection refused|Unable to establish controller|fetch_config|Could not establish a configuration/i,
    'controller-down',
    "Slurm's controller does not answer",
    'Jobs that run go on. Look with `sinfo`; when it answers again: bam watch RUN, or bam resume RUN.',
  ],
  [
    /invalid partition/i,
    'partition',
    'Slurm has no such partition for you',
    '`sinfo` lists partitions; launch.slurm.partition names one.',
  ],
  [
    /Invalid account|Invalid qos/i,
    'account',
    'Slurm does not know this account or QOS',
    'Give yours in launch.slurm.extra, e.g. ["--account=lab"].',
  ],
  [
    /AssocMax|QOSMax|MaxSubmit|accounting\/QOS policy|Slurm temporarily unable to accept job/i,
    'limit',
    'Slurm takes no more jobs from you now',
    'Wait until some have ended, then: bam resume RUN; or run fewer stages with --stages.',
  ],
  [
    /node configuration is not available|Memory specification|CPU count|More processors requested|Invalid generic resource/i,
    'too-much',
    'No node of Slurm has what launch.slurm asks for',
    'Compare gpus, cpus and memory there with `sinfo --Node --long`.',
  ],
  [
    /time limit is invalid|time limit specification/i,
    'too-long',
    'launch.slurm.time is longer than the partition allows',
    '`sinfo` shows the limit. A stage that needs longer goes on by itself in another job.',
  ],
  [
    /quota exceeded|No space left/i,
    'no-space',
    'There is no space left for a job',
    'Free some space in your home folder and in .bam/, then: bam resume RUN.',
  ],
  [
    /Invalid job array|job array index/i,
    'array',
    'Slurm takes no array of this size',
    'Run fewer seeds or swept values at a time, with --stages or --set.',
  ],
];

function explain(command: string, said: string): RunError {
  const first = said.split('\n').slice(0, 3).join(' ');
  const known = CAUSES.find(([pattern]) => pattern.test(said));
  if (known) return new RunError(`${known[2]} (${command}: ${first}).`, { reason: known[1], advice: known[3] });
  return new RunError(`${command} failed: ${first || 'it said nothing'}.`, {
    reason: 'slurm',
    advice: 'Its own message names the cause; launch.slurm in the experiment file says what is asked for.',
  });
}

async function runCommand(
  command: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  // Times in seconds since 1970, whatever the user likes to see.
  const env = { ...process.env, SLURM_TIME_FORMAT: '%s', LC_ALL: 'C' };
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'], timeout: CALL_MILLISECONDS });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  // A command that ends early does not read its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(hasCode(error, 'ENOENT') ? noSlurm(command, error) : error));
    child.once('close', (code, signal) => {
      if (!signal) return resolve({ code, stdout, stderr });
      const after = `no answer in ${CALL_MILLISECONDS / 1000} s: Unable to contact slurm controller`;
      resolve({ code: null, stdout: '', stderr: after });
    });
  });
}

function noSlurm(command: string, cause: unknown): RunError {
  return new RunError(`Slurm's command ${command} is not on the path of this machine.`, {
    reason: 'no-slurm',
    advice: 'Start runs on a login node of the cluster, or leave out `--launcher slurm`.',
    cause,
  });
}
