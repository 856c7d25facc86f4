import { resolve } from 'node:path';
import { formatCount } from '../base/format';
import { BamError } from '../base/errors';
import { textTable } from '../base/text-table';
import { quantizeCheckpoint } from '../launch/quantize';
import { stageCheckpoint } from '../launch/stage-checkpoint';
import { type Precision, PRECISIONS } from '../base/offload-words';
import type { WrittenExperts } from '../offload/write-folder';
import { findRunHere } from './find';
import { type Output, printJson } from './output';

export interface QuantizeCommandOptions {
  out: string;
  precisions?: string;
  group: string;
  json?: boolean;
}

/** `bam quantize CHECKPOINT|RUN [STAGE] --out FOLDER`: a mixture as experts that are loaded when they are needed, in several precisions. */
export async function quantizeCommand(
  name: string,
  stage: string | undefined,
  { out, precisions, group, json }: QuantizeCommandOptions,
  output: Output,
): Promise<void> {
  const options = { to: out, precisions: precisionsOf(precisions), group: groupOf(group) };
  const written = quantizeCheckpoint({ checkpoint: await checkpointOf(name, stage), ...options });
  if (json) return printJson(output, written);
  output.print(`${written.experts} FFN experts of step ${written.step}: ${written.folder}`);
  output.print(sizes(written));
}

/** The folder of a checkpoint, as it is written or as the last one of a run's stage. */
async function checkpointOf(name: string, stage: string | undefined): Promise<string> {
  if (stage === undefined) return resolve(name);
  const { workspace, run } = await findRunHere(name);
  return stageCheckpoint(workspace, run, stage).path;
}

/** Bytes of an expert, and of all experts, by precision. */
function sizes({ experts, residentBytes, expertBytes }: WrittenExperts): string {
  const rows = Object.entries(expertBytes).map(([precision, bytes]) => [
    precision,
    formatCount(bytes),
    formatCount(bytes * experts),
  ]);
  const table = textTable(['precision', 'bytes of an expert', 'of all'], rows);
  return `${table}\nBytes of all other weights, in float32: ${formatCount(residentBytes)}`;
}

function precisionsOf(text: string | undefined): Precision[] {
  const wanted = text?.split(',').map((one) => one.trim()) ?? [...PRECISIONS];
  const unknown = wanted.find((one) => !(PRECISIONS as readonly string[]).includes(one));
  if (unknown === undefined) return PRECISIONS.filter((precision) => wanted.includes(precision));
  throw new BamError(`--precisions should be some of ${PRECISIONS.join(', ')}, found "${unknown}".`, {
    reason: 'bad-precision',
    advice: 'For example: --precisions float32,int4',
  });
}

function groupOf(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new BamError(`--group should be how many weights have one scale, a whole number, found "${text}".`, {
    reason: 'bad-group',
    advice: 'For example: --group 64',
  });
}
