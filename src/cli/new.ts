import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { BamError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { formatDiagnostic } from '../config/diagnostics';
import { parseExperiment } from '../config/parse';
import { experimentText, type SizeName, type TemplateName } from '../config/template';
import type { Output } from './output';

export interface NewCommandOptions {
  template: TemplateName;
  size: SizeName;
  domains: string;
  tokens: string;
}

/** `bam new FILE`: writes a new experiment file; never over another. */
export async function newCommand(file: string, options: NewCommandOptions, output: Output): Promise<void> {
  const path = resolve(file.endsWith('.bam.yaml') ? file : `${file}.bam.yaml`);
  if (existsSync(path)) {
    throw new BamError(`${path} is there already.`, { reason: 'exists', advice: 'Give another name.' });
  }
  const names = options.domains.split(',').map((name) => name.trim());
  const domains = names.map((name) => ({ name, files: `corpus/${name}/**/*.txt` }));
  const text = experimentText({ ...options, name: basename(path, '.bam.yaml'), domains });
  const { mistakes } = parseExperiment(text);
  if (mistakes.length) {
    const lines = mistakes.map((mistake) => `  ${formatDiagnostic(path, mistake)}`);
    throw new BamError(`These choices make no experiment:\n${lines.join('\n')}`, { reason: 'bad-choices' });
  }
  writeFileAtomic(path, text);
  output.print(`${path} was written. Put the texts of each domain where it says, then: bam run ${file}`);
}
