// Exports every model of test/support/exports.ts into a folder, with the logits that our program computes, for
// `transformers_models.py check`: npx tsx test/parity/write_exports.ts FOLDER
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend } from '../../src/engine/backend';
import { randomBatch } from '../support/engine';
import { EXPORTED, exportedValues, writeExport } from '../support/exports';
import { logitsOf } from '../support/logits';

async function main(folder: string): Promise<void> {
  await startBackend('native');
  for (const [name, { architecture }] of Object.entries(EXPORTED)) {
    writeExport(name, join(folder, name));
    const { inputs } = randomBatch(architecture, 2, 11);
    const ids = [0, 1].map((row) => [...inputs.slice(row * architecture.context, (row + 1) * architecture.context)]);
    const logits = [...logitsOf(architecture, exportedValues(name), inputs)];
    writeFileSync(join(folder, name, 'expected.json'), JSON.stringify({ ids, logits }));
  }
}

void main(process.argv[2]!);
