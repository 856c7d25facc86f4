import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { BamError } from '../base/errors';
import { readJson, writeFileAtomic } from '../base/files';
import { isPlainName } from '../base/plain-name';
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

/** Folder of a stage's checkpoints. Throws a `BamError` (`bad-name`) for a key that would lead elsewhere. */
export function checkpointsFolder(stagesFolder: string, key: string): string {
  return join(stageFolder(stagesFolder, key), 'checkpoints');
}

/** Keys come from logs and plans too, which anybody may have written. */
function stageFolder(stagesFolder: string, key: string): string {
  if (isPlainName(key)) return join(stagesFolder, key);
  throw new BamError(`The key of a stage should name one folder, found ${JSON.stringify(key)}.`, {
    reason: 'bad-name',
  });
}

/** The result of a stage; `undefined` where it has none, or one that cannot be read (the stage then runs again). */
export function readResult(stagesFolder: string, key: string): StageResult | undefined {
  try {
    return resultSchema.safeParse(readJson(join(stageFolder(stagesFolder, key), 'result.json'))).data;
  } catch {
    return undefined;
  }
}

const laterEvaluationSchema = z.object({
  key: z.string(),
  /** Milliseconds since 1970, UTC. */
  time: z.int(),
  engine: z.string(),
  evaluation: evaluationSchema,
});

/** What a finished stage came to when it was evaluated once more. */
export type LaterEvaluation = z.output<typeof laterEvaluationSchema>;

/** Where an evaluation of a stage after its training is kept. */
export function laterEvaluationFile(stagesFolder: string, key: string): string {
  return join(stageFolder(stagesFolder, key), 'evaluation.json');
}

/** The last evaluation of a finished stage that is not part of its training; `undefined` where there is none that can be read. */
export function readLaterEvaluation(stagesFolder: string, key: string): LaterEvaluation | undefined {
  try {
    return laterEvaluationSchema.safeParse(readJson(laterEvaluationFile(stagesFolder, key))).data;
  } catch {
    return undefined;
  }
}

/** Keeps an evaluation beside the result of its stage. Who looks for news looks at the time of the folder of all stages, one look for all. */
export function writeLaterEvaluation(stagesFolder: string, found: LaterEvaluation): void {
  writeFileAtomic(laterEvaluationFile(stagesFolder, found.key), `${JSON.stringify(found, undefined, 2)}\n`);
  const now = new Date();
  try {
    utimesSync(stagesFolder, now, now);
  } catch {
    // The folder is another user's: the evaluation is seen at the next look for another reason.
  }
}

/** Marks a stage as done. */
export function writeResult(stagesFolder: string, result: StageResult): void {
  writeFileAtomic(
    join(stageFolder(stagesFolder, result.key), 'result.json'),
    `${JSON.stringify(result, undefined, 2)}\n`,
  );
}
