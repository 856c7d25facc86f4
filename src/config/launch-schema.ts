import * as z from 'zod';
import { count } from './schema-values';
import { slurmSchema } from './slurm-schema';

/** Where the stages of a run are executed. Changes no result, so it is in no stage's key. */
export const launchSchema = z.strictObject({
  devices: z
    .union([z.literal('auto'), z.array(z.int().min(0)).min(1)], '`auto`, or a list of GPU numbers')
    .optional()
    .describe(
      'GPUs that train a stage each, side by side: their numbers as nvidia-smi has them, or `auto` for all there are.',
    ),
  slots: count
    .max(64)
    .optional()
    .describe(
      'Without GPUs: stages that train side by side, each with its share of the threads. Default: 1, with all threads.',
    ),
  slurm: slurmSchema.optional().describe('Train in jobs of a Slurm cluster, one a stage; docs/cluster.md.'),
});

export type LaunchConfig = z.output<typeof launchSchema>;
