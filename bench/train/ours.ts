// One side of the comparison, in a process of its own: reads one JSON object a line and answers each with one, as bench/peer/train.py does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Architecture } from '../../src/architecture/architecture';
import { uniformGenerator } from '../../src/base/random';
import type { Batch } from '../../src/data/sequences';
import { startBackend } from '../../src/engine/backend';
import { createParameters, randomValues } from '../../src/model/parameters';
import { EagerStep } from '../../src/train/eager-step';
import { GraphStep } from '../../src/train/graph-step';
import type { Step } from '../../src/train/step';
import { SETTINGS } from './models';

type Form = 'eager' | 'graph' | 'xla';
type Order = { architecture: Architecture; batch: number; form: Form } | { steps: number } | { memory: true };

const LEARNING_RATE = 1e-3;
const uniform = uniformGenerator(1);
let step: Step | undefined;
let shape: { sequences: number; architecture: Architecture } | undefined;
let done = 0;

function makeStep(architecture: Architecture, sequences: number, form: Form): Step {
  const values = randomValues(architecture, 1);
  if (form === 'eager') return new EagerStep(architecture, createParameters(architecture, values), SETTINGS);
  return GraphStep.create({ architecture, values, settings: SETTINGS, sequences, passes: 1, form });
}

function randomTokens(): Batch {
  const { sequences, architecture } = shape!;
  const length = sequences * architecture.context;
  const ids = (): Int32Array => Int32Array.from({ length }, () => Math.floor(uniform() * architecture.vocabulary));
  return { inputs: ids(), targets: ids() };
}

async function answer(order: Order): Promise<object> {
  if ('architecture' in order) {
    const backend = await startBackend('native');
    shape = { sequences: order.batch, architecture: order.architecture };
    step = makeStep(order.architecture, order.batch, order.form);
    return { engine: backend.description };
  }
  if ('memory' in order) {
    const anonymous = Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
    return { peakBytes: process.resourceUsage().maxRSS * 1024, anonymousBytes: anonymous * 1024 };
  }
  const seconds: number[] = [];
  let loss = NaN;
  for (let i = 0; i < order.steps; i++) {
    const start = performance.now();
    loss = step!.train([randomTokens()], LEARNING_RATE, done++, false).loss;
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds, loss };
}

async function main(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line) as Order)));
  }
}

void main();
