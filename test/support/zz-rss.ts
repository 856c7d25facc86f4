import { startBackend } from '/work/main/src/engine/backend';
import { createParameters, randomValues } from '/work/main/src/model/parameters';
import { EagerStep } from '/work/main/src/train/step';
import { MODELS, randomBatch } from '/work/main/test/support/engine';
import * as tf from '@tensorflow/tfjs';
async function main(name: string) {
  await startBackend('native');
  const a = MODELS[name]!;
  const step = new EagerStep(a, createParameters(a, randomValues(a, 1)), { beta1: 0.9, beta2: 0.95, weightDecay: 0.1, clip: 1, loadBalance: 0.01, routerZ: 0.001 });
  for (let i = 1; i <= 600; i++) {
    step.train([randomBatch(a, 4, i)], 1e-3, i, i % 10 === 0);
    if (i % 50 === 0) { if (process.env.GC) gc!(); const m = process.memoryUsage(); console.log(i, 'rss', (m.rss/1e6).toFixed(1), 'heap', (m.heapUsed/1e6).toFixed(1), (m.heapTotal/1e6).toFixed(1), 'ext', (m.external/1e6).toFixed(1), (m.arrayBuffers/1e6).toFixed(1), tf.memory().numTensors); }
  }
}
void main(process.argv[2]!);
