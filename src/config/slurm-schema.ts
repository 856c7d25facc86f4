import * as z from 'zod';
import { count } from './schema-values';

const GPUS = 'a number of GPUs such as 2, or a kind and a number such as a100:2';
const MEMORY = 'memory of a job such as 16G, 800M or 0 (all of the node)';
const TIME = 'a time limit as Slurm writes it: minutes, HH:MM:SS, or D-HH:MM:SS';
const OPTION = 'an option of sbatch in one word that starts with --, such as --account=lab';

/** Options of sbatch that a stage's job has for its own use. */
const TAKEN =
  /^--(array|chdir|comment|dependency|error|export|help|input|job-name|kill-on-invalid-dep|no-requeue|ntasks|nodes|open-mode|output|parsable|requeue|signal|test-only|usage|version|wait|wrap)(=|$)/;

/** What each stage's job asks Slurm for. */
export const slurmSchema = z.strictObject({
  partition: z
    .string()
    .regex(/^[\w.,-]+$/, 'the name of a partition, as `sinfo` lists them')
    .optional()
    .describe('Partition of Slurm (`sinfo` lists them), or several with commas between. Default: that of the cluster.'),
  gpus: z
    .union([z.int().min(0), z.string().regex(/^([\w.-]+:)?\d+$/, GPUS)], GPUS)
    .default(0)
    .describe('GPUs of a job: a number, or a kind and a number such as `a100:2`. Default 0.'),
  cpus: count.default(4).describe('Processor cores of a job. Default 4.'),
  memory: z
    .union([z.int().min(0), z.string().regex(/^\d+[KMGT]?$/i, MEMORY)], MEMORY)
    .optional()
    .describe('Memory of a job, e.g. `16G`; a number alone is megabytes. Default: that of the cluster.'),
  time: z
    .union([z.int().positive(), z.string().regex(/^(\d+|\d+(:\d{1,2}){1,2}|\d+-\d{1,2}(:\d{1,2}){0,2})$/, TIME)], TIME)
    .optional()
    .describe(
      'Time limit of a job: minutes, `HH:MM:SS` or `D-HH:MM:SS`. A stage that needs longer saves a checkpoint and goes on in another job.',
    ),
  setup: z
    .string()
    .default('')
    .describe('Shell commands of the batch script before training, e.g. `module load cuda`. Executed as they stand.'),
  extra: z
    .array(z.string().regex(/^--[a-z]/, OPTION))
    .default([])
    .superRefine((options, context) => {
      options.forEach((option, i) => {
        const taken = TAKEN.exec(option)?.[1];
        if (!taken) return;
        const message = `an option that jobs do not set themselves, which they do with --${taken}`;
        context.addIssue({ code: 'custom', path: [i], message });
      });
    })
    .describe('More options of sbatch, each one word, e.g. `["--account=lab", "--qos=long"]`.'),
});

export type SlurmConfig = z.output<typeof slurmSchema>;
