/**
 * How fast the FFN branch of two trained checkpoints is, routers included, on what their layers read of a text:
 * `npm run bench:experts -- CHECKPOINT CHECKPOINT TEXT`. Both run in one process, in turns; medians are printed. The text is read as bytes.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { loadCheckpoint } from '../src/checkpoint/checkpoint';
import { startBackend } from '../src/engine/backend';
import { attentionTables } from '../src/model/attention';
import { ffn } from '../src/model/ffn';
import { createParameters } from '../src/model/parameters';
import { forward } from '../src/model/transformer';
import { RoutingStatistics } from '../src/train/routing-statistics';

/** Enough tokens for the arithmetic to outweigh what every operation costs to start. */
const SEQUENCES = 256;
const ROUNDS = 21;

interface Branch {
  /** Computes the FFNs of all layers once, and gives the milliseconds. */
  run: () => number;
  ffnPerToken: string;
  tokens: number;
}

function branchOf(folder: string, text: Uint8Array): Branch {
  const { architecture, parameters: values } = loadCheckpoint(folder, 'model');
  const parameters = createParameters(architecture, values);
  const tokens = SEQUENCES * architecture.context;
  const start = Math.floor((text.length - tokens) / 2);
  if (start < 0) throw new Error(`The text should have at least ${tokens} bytes, found ${text.length}.`);
  const ids = tf.tensor1d(Int32Array.from(text.subarray(start, start + tokens)), 'int32');
  const statistics = new RoutingStatistics();
  // Alive as long as the process.
  const { inputs, routers } = forward(
    architecture,
    parameters,
    ids,
    attentionTables(architecture, architecture.context),
  );
  statistics.add(routers);
  const scores = routers.filter(({ router }) => router === 'ffn').map(({ logits }) => logits);
  const run = (): number => {
    const before = performance.now();
    tf.tidy(() => {
      const outputs = inputs.map(({ ffn: u }, layer) => {
        return ffn(architecture, parameters, layer, u, { ids, scores: scores[layer - 1] }).output;
      });
      tf.stack(outputs.map((output) => tf.sum(output))).dataSync();
    });
    return performance.now() - before;
  };
  const perLayer = statistics.summarize().flatMap(({ router, ffnPerToken }) => {
    return router === 'ffn' ? [(ffnPerToken ?? architecture.mixture!.ffnTopK).toFixed(3)] : [];
  });
  return { run, ffnPerToken: perLayer.join(', '), tokens };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

async function main(): Promise<void> {
  const [one, other, file] = process.argv.slice(2);
  if (!one || !other || !file) throw new Error('Expected two folders of checkpoints and a text file.');
  await startBackend('native');
  const text = readFileSync(file);
  const branches = [one, other].map((folder) => branchOf(folder, text));
  const times: number[][] = branches.map(() => []);
  for (let round = -3; round < ROUNDS; round++) {
    branches.forEach(({ run }, i) => {
      const time = run();
      if (round >= 0) times[i]!.push(time);
    });
  }
  const medians = times.map(median);
  branches.forEach(({ ffnPerToken, tokens }, i) => {
    const speed = Math.round(tokens / (medians[i]! / 1000));
    console.log(
      `${[one, other][i]}: ${medians[i]!.toFixed(2)} ms, ${speed} tokens/s, FFN experts a token by layer ${ffnPerToken}`,
    );
  });
  console.log(`the second is ${(medians[0]! / medians[1]!).toFixed(3)} times as fast as the first`);
}

void main();
