import * as z from 'zod';
import { slurmSchema } from './slurm-schema';

/** Where and how trainers are executed. It decides nothing about their results. */
export const launchSchema = z.strictObject({
  slurm: slurmSchema.optional().describe('Train in jobs of a Slurm cluster, one a stage; docs/cluster.md.'),
});

export type LaunchConfig = z.output<typeof launchSchema>;
