import type { SlurmConfig } from '../../config/slurm-schema';

/**
 * Seconds before the time limit at which a stage is asked to save a checkpoint: at most these, and a fifth of the time. Slurm may ask a
 * minute earlier.
 */
const WARNING_SECONDS = 120;

/** One call of sbatch: its arguments, and the script that it reads from its standard input. */
export interface BatchJob {
  arguments: string[];
  script: string;
}

export interface BatchJobOptions {
  config: SlurmConfig;
  /** Shown by squeue. */
  name: string;
  /** Tells this submission from every other; written into the job's comment. */
  tag: string;
  /** Numbers of the tasks of an array; absent for a job of its own. */
  tasks?: readonly number[] | undefined;
  /** The value of `--dependency`, e.g. `afterok:17`. */
  dependency?: string | undefined;
  /**
   * Folder with a file `task-N` for each task N, 0 for a job of its own: a line with the path of the trainer's order, and one with the path
   * of the file that its output is appended to. What Slurm itself prints goes to `slurm-N.txt` there.
   */
  folder: string;
  trainerScript: string;
  /** The program that runs the trainer, and what its environment needs. */
  node: string;
  environment: Readonly<Record<string, string>>;
}

/** Quotes a text for bash: one word, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * The batch job that runs a stage, or an array of stages. USR1 comes from Slurm some time before the time limit: the trainer then saves a
 * checkpoint, and the job goes back into the queue, under the same id, so that those who wait for it go on waiting. TERM comes from who
 * cancels it: the trainer saves a checkpoint, and the job ends with the trainer's code.
 */
export function batchJob(options: BatchJobOptions): BatchJob {
  return { arguments: batchArguments(options), script: batchScript(options) };
}

function batchArguments({ config, name, tag, tasks, dependency, folder }: BatchJobOptions): string[] {
  const { partition, gpus, cpus, memory, time, extra } = config;
  // In a file name of sbatch `%` begins a pattern.
  const output = `${folder.replaceAll('%', '%%')}/slurm-${tasks ? '%a' : '0'}.txt`;
  return [
    '--parsable',
    `--job-name=${name}`,
    `--comment=${tag}`,
    `--output=${output}`,
    '--open-mode=append',
    '--requeue',
    `--signal=B:USR1@${warningSeconds(time)}`,
    '--nodes=1',
    '--ntasks=1',
    `--cpus-per-task=${cpus}`,
    ...(partition === undefined ? [] : [`--partition=${partition}`]),
    ...(gpus ? [`--gres=gpu:${gpus}`] : []),
    ...(memory === undefined ? [] : [`--mem=${memory}`]),
    ...(time === undefined ? [] : [`--time=${time}`]),
    ...(tasks ? [`--array=${ranges(tasks)}`] : []),
    ...(dependency === undefined ? [] : [`--dependency=${dependency}`, '--kill-on-invalid-dep=yes']),
    ...extra,
  ];
}

function warningSeconds(time: SlurmConfig['time']): number {
  return time === undefined ? WARNING_SECONDS : Math.min(WARNING_SECONDS, Math.ceil(limitSeconds(String(time)) / 5));
}

/** A time limit in seconds: minutes, minutes:seconds, hours:minutes:seconds, or days before hours. */
export function limitSeconds(time: string): number {
  const [clock = '', days] = time.split('-').reverse();
  const parts = clock.split(':').map(Number);
  if (days !== undefined) {
    const [hours = 0, minutes = 0, seconds = 0] = parts;
    return ((Number(days) * 24 + hours) * 60 + minutes) * 60 + seconds;
  }
  const [first = 0, second = 0, third = 0] = parts;
  return parts.length === 3 ? (first * 60 + second) * 60 + third : first * 60 + second;
}

/** Numbers as sbatch writes them: `0-3,7`. They come in rising order. */
export function ranges(numbers: readonly number[]): string {
  const parts: [number, number][] = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(',');
}

function batchScript({ config, folder, trainerScript, node, environment, tag }: BatchJobOptions): string {
  const variables = Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return `#!/bin/bash
# ${tag}
{ IFS= read -r order && IFS= read -r output; } < ${quoted(folder)}/task-"\${SLURM_ARRAY_TASK_ID:-0}" || exit 1
exec >>"$output" 2>&1
${variables.join('\n')}
${config.setup}
late=
child=
trap 'late=1; [ -z "$child" ] || kill -TERM "$child"' USR1
trap '[ -z "$child" ] || kill -TERM "$child"' TERM
${quoted(node)} ${quoted(trainerScript)} "$order" &
child=$!
# A signal ends the waiting, not the child.
while wait "$child"; code=$?; [ "$code" -gt 128 ] && kill -0 "$child" 2>/dev/null; do :; done
wait "$child"; code=$?
if [ "$code" -eq 3 ] && [ -n "$late" ]; then
  # Of an array, this task alone: one task has the id of the whole array.
  scontrol requeue "\${SLURM_ARRAY_JOB_ID:+\${SLURM_ARRAY_JOB_ID}_}\${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
fi
exit "$code"
`;
}
