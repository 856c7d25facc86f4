// A process of its own for test/engine/memory.test.ts: trains a model (argument: its name) for 200 steps on changing batches and
// prints the resident memory in bytes after every tenth. Run with --expose-gc.
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import { processMemory } from '../../src/train/memory';
import { EagerStep } from '../../src/train/eager-step';
import { MODELS, randomBatch } from './engine';

async function main(name: string): Promise<void> {
  await startBackend('native');
  const architecture = { ...MODELS[name]!, layers: 1, context: 48 };
  const settings = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
  const step = new EagerStep(architecture, createParameters(architecture, randomValues(architecture, 1)), settings);
  const resident: number[] = [];
  for (let i = 1; i <= 200; i++) {
    step.train([randomBatch(architecture, 4, i)], 1e-3, i, i % 10 === 0);
    if (i % 10) continue;
    gc!();
    resident.push(processMemory().residentBytes);
  }
  console.log(JSON.stringify(resident));
}

void main(process.argv[2]!);
