import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../src/architecture/architecture';
import { exportModel } from '../../src/interop/export';
import type { ExportFormat } from '../../src/interop/export-formats';
import { asMixture, largeValues, SMALL, VARIANTS } from './engine';

const LLAMA: Architecture = { ...SMALL, ...VARIANTS.llama };
const NEOX: Architecture = { ...SMALL, ...VARIANTS.neox };

/** Models to export, one for each thing that an exported folder may say, and the format that they get. */
export const EXPORTED: Record<string, { architecture: Architecture; format: ExportFormat }> = {
  cohere: { architecture: SMALL, format: 'cohere' },
  'cohere-untied-scaled': { architecture: { ...SMALL, tiedEmbeddings: false, logitScale: 0.3 }, format: 'cohere' },
  'gpt-neox': { architecture: NEOX, format: 'gpt-neox' },
  'gpt-neox-sequential': {
    architecture: { ...SMALL, kvHeads: 4, block: 'sequential', ffn: 'gelu', biases: true, tiedEmbeddings: false },
    format: 'gpt-neox',
  },
  llama: { architecture: LLAMA, format: 'llama' },
  mixtral: {
    architecture: asMixture(LLAMA, { attention: 'averaged', ffnTopK: 2, gate: 'topk-softmax' }),
    format: 'mixtral',
  },
  'bam-kv-experts': { architecture: asMixture(SMALL), format: 'bam' },
  'bam-shared-kv': {
    architecture: asMixture({ ...SMALL, tiedEmbeddings: false }, { attention: 'shared-kv', ffnTopK: 2 }),
    format: 'bam',
  },
  'bam-of-gpt-neox': { architecture: asMixture(NEOX, { ffnTopK: 2, gate: 'topk-softmax' }), format: 'bam' },
  'bam-of-llama': { architecture: asMixture({ ...LLAMA, block: 'parallel-two-norms', logitScale: 2 }), format: 'bam' },
  btx: { architecture: asMixture(LLAMA, { attention: 'averaged' }), format: 'bam' },
};

/** Exports one of `EXPORTED`. */
export function writeExport(name: string, to: string): ExportFormat {
  const { architecture } = EXPORTED[name]!;
  return exportModel({ architecture, parameters: exportedValues(name), to, endOfDocument: 3, files: [] });
}

/** The parameters of one of `EXPORTED`. */
export function exportedValues(name: string): Map<string, Float32Array> {
  return largeValues(EXPORTED[name]!.architecture, 7);
}

/** As `hash_of` of test/parity/transformers_models.py: SHA-256 over names and contents of all files but expected.json. */
export function hashOfFolder(folder: string): string {
  const hasher = createHash('sha256');
  for (const name of readdirSync(folder).sort()) {
    if (name === 'expected.json') continue;
    const content = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
    hasher.update(`${name}\n${content}\n`);
  }
  return hasher.digest('hex');
}
