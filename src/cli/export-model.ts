import { exportStage } from '../launch/export-model';
import type { ExportFormat } from '../interop/export-formats';
import { findRunHere } from './find';
import { type Output, printJson } from './output';

export interface ExportModelOptions {
  to: string;
  format?: ExportFormat;
  json?: boolean;
}

/** `bam export-model RUN STAGE --to FOLDER`: a stage's last checkpoint as a folder that transformers loads. */
export async function exportModelCommand(
  name: string,
  stage: string,
  { to, format, json }: ExportModelOptions,
  output: Output,
): Promise<void> {
  const { workspace, run } = await findRunHere(name);
  const exported = exportStage(workspace, { run, stage, to, format });
  if (json) return printJson(output, { run, stage, ...exported });
  const code = exported.format === 'bam' ? ', trust_remote_code=True' : '';
  output.print(`${stage} of ${run}, step ${exported.step}, as ${exported.format}: ${exported.folder}`);
  output.print(`Load it with AutoModelForCausalLM.from_pretrained(${JSON.stringify(exported.folder)}${code}).`);
  if (!exported.hasTokenizer) {
    output.print('It has no tokenizer.json: tokens are the bytes of UTF-8, and 256 ends a document.');
  }
}
