// A process of its own for test/engine/memory.test.ts: trains a model (arguments: its name, and `eager` or `graph`) for 200 steps on
// changing batches, evaluating and reading parameters now and then, and prints the resident memory in bytes after every tenth step. Run with --expose-gc.
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import { GraphStep } from '../../src/train/graph-step';
import { processMemory } from '../../src/train/memory';
import { EagerStep } from '../../src/train/eager-step';
import { RoutingStatistics } from '../../src/train/routing-statistics';
import { MODELS, randomBatch } from './engine';

const SEQUENCES = 4;

async function main(name: string, form: string): Promise<void> {
  await startBackend('native');
  const architecture = { ...MODELS[name]!, layers: 1, context: 48 };
  const settings = { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 };
  const values = randomValues(architecture, 1);
  const step =
    form === 'graph'
      ? GraphStep.create({ architecture, values, settings, sequences: SEQUENCES, passes: 1, form })
      : new EagerStep(architecture, createParameters(architecture, values), settings);
  const resident: number[] = [];
  for (let i = 1; i <= 200; i++) {
    step.train([randomBatch(architecture, SEQUENCES, i)], 1e-3, i, i % 10 === 0);
    if (i % 10) continue;
    if (i % 40 === 0) {
      step.evaluate(randomBatch(architecture, SEQUENCES, i), new RoutingStatistics());
      step.readParameters();
      step.readMoments();
    }
    gc!();
    resident.push(processMemory().residentBytes);
  }
  console.log(JSON.stringify(resident));
}

void main(process.argv[2]!, process.argv[3]!);
