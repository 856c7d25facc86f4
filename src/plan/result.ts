import { join } from 'node:path';
import * as z from 'zod';
import { readJson, writeFileAtomic } from '../base/files';
import { evaluationSchema } from '../events/event';

const resultSchema = z.object({
  key: z.string(),
  /** The run that trained the stage, whose log holds its curves. */
  run: z.string(),
  step: z.int(),
  seconds: z.number(),
  engine: z.string(),
  evaluation: evaluationSchema,
});

/** The outcome of a finished stage. Its presence in the stage's folder says that the stage is done. */
export type StageResult = z.output<typeof resultSchema>;

/** Folder of a stage's checkpoints. */
export function checkpointsFolder(stagesFolder: string, key: string): string {
  return join(stagesFolder, key, 'checkpoints');
}

/** The result of a stage; `undefined` where it has none, or one that cannot be read (the stage then runs again). */
export function readResult(stagesFolder: string, key: string): StageResult | undefined {
  try {
    return resultSchema.safeParse(readJson(join(stagesFolder, key, 'result.json'))).data;
  } catch {
    return undefined;
  }
}

/** Marks a stage as done. */
export function writeResult(stagesFolder: string, result: StageResult): void {
  writeFileAtomic(join(stagesFolder, result.key, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`);
}
