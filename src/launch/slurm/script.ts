import type { SlurmConfig } from '../../config/slurm-schema';

/** Seconds before the time limit at which a stage is asked to save a checkpoint. Slurm looks only every half minute or so. */
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
  /** Folder with `order-N.json` for each task N, 0 for a job of its own, where `output-N.txt` are written too. */
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
  const output = `${folder.replaceAll('%', '%%')}/output-${tasks ? '%a' : '0'}.txt`;
  return [
    '--parsable',
    `--job-name=${name}`,
    `--comment=${tag}`,
    `--output=${output}`,
    '--open-mode=append',
    '--requeue',
    `--signal=B:USR1@${WARNING_SECONDS}`,
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
${variables.join('\n')}
${config.setup}
late=
child=
trap 'late=1; [ -z "$child" ] || kill -TERM "$child"' USR1
trap '[ -z "$child" ] || kill -TERM "$child"' TERM
${quoted(node)} ${quoted(trainerScript)} ${quoted(folder)}/order-"\${SLURM_ARRAY_TASK_ID:-0}".json &
child=$!
# A signal ends the waiting, not the child.
while wait "$child"; code=$?; [ "$code" -gt 128 ] && kill -0 "$child" 2>/dev/null; do :; done
if [ "$code" -eq 3 ] && [ -n "$late" ]; then
  # Of an array, this task alone: one task has the id of the whole array.
  scontrol requeue "\${SLURM_ARRAY_JOB_ID:+\${SLURM_ARRAY_JOB_ID}_}\${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
fi
exit "$code"
`;
}
