/**
 * What offloading the FFN experts of a trained mixture costs, and what each part of HOBBIT gives: `npm run bench:offload -- CHECKPOINT TEXT...`. The
 * link is emulated: loading one float32 expert takes as long as computing it ten times for one token does here. Systems take turns; medians of all
 * tokens are printed. Texts are read as bytes. Writes the routing as trace.json for bench:offload-simulation.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { loadCheckpoint } from '../../src/checkpoint/checkpoint';
import { startBackend } from '../../src/engine/backend';
import { quantizeCheckpoint } from '../../src/launch/quantize';
import { choosePolicy } from '../../src/offload/calibrate';
import { type ExpertFolder, openExpertFolder } from '../../src/offload/open-folder';
import type { OffloadCounts } from '../../src/offload/scheduler';
import { setForDecoding } from '../../src/serve/decoding-settings';
import { type DecodingSpeed, measureDecoding } from '../../src/serve/measure';
import { decodingModel, type DecodingModel, disposeModel } from '../../src/serve/model';
import { OffloadedExperts } from '../../src/serve/offloaded-experts';
import { routingTrace, type ServedText } from '../../src/serve/recorded-experts';
import { storedExpert } from '../../src/serve/stored-expert';
import { matchingThresholds, type ServingSystem, servingSystems } from './systems';

const PROMPT = 32;
const DECODED = 48;
/** Texts of every file that are measured; as many others choose the policy. */
const TEXTS = 2;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
/** Of the experts' bytes in float32. */
const BUDGET = 0.4;
/** A scale for every row: then a product of whole numbers is scaled. */
const GROUP = 1024;
/** How many times as long as computing an expert its load takes. */
const SLOWNESS = 10;

interface Measured {
  speed: DecodingSpeed;
  /** Seconds of every pass, prompts and tokens one by one. */
  prompts: number[];
  tokens: number[];
  counts: OffloadCounts | undefined;
}

/** Texts from evenly spread places of a file; every second one is for choosing the policy. */
function textsOf(path: string): { measured: ServedText[]; calibration: ServedText[] } {
  const bytes = readFileSync(path);
  const length = PROMPT + DECODED + 1;
  const texts = Array.from({ length: 2 * TEXTS }, (_, i): ServedText => {
    const start = Math.floor(((bytes.length - length) * (i + 0.5)) / (2 * TEXTS));
    return { ids: [...bytes.subarray(start, start + length)], prompt: PROMPT };
  });
  return { measured: texts.filter((_, i) => i % 2 === 0), calibration: texts.filter((_, i) => i % 2) };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}

/** Seconds that one expert computes for one token, in a precision; the result is read, as decoding does. */
async function expertSeconds(folder: ExpertFolder, precision: 'float32' | 'int4'): Promise<number> {
  const expert = storedExpert(folder.layout(precision), await folder.read(0, 0, precision));
  const token = tf.ones<tf.Rank.R2>([1, folder.architecture.width]);
  const times = Array.from({ length: 201 }, () => {
    const begun = performance.now();
    tf.tidy(() => expert.ffn(token).dataSync());
    return (performance.now() - begun) / 1000;
  });
  expert.dispose();
  token.dispose();
  return median(times);
}

/** Times every pass: on a machine that others use too, the median of many tells more than their sum. */
async function timed(model: DecodingModel, texts: readonly ServedText[]): Promise<Omit<Measured, 'counts'>> {
  const times: number[] = [];
  let before = performance.now();
  const speed = await measureDecoding(model, texts, () => {
    const now = performance.now();
    times.push((now - before) / 1000);
    before = now;
  });
  const isPrompt = (i: number): boolean => i % (DECODED + 1) === 0;
  return { speed, prompts: times.filter((_, i) => isPrompt(i)), tokens: times.filter((_, i) => !isPrompt(i)) };
}

async function measure(folder: ExpertFolder, texts: readonly ServedText[], system: ServingSystem): Promise<Measured> {
  const experts = new OffloadedExperts(folder, system.options);
  const model = decodingModel(folder.architecture, folder.resident, experts);
  const measured = await timed(model, texts);
  disposeModel(model);
  return { ...measured, counts: experts.takeCounts() };
}

/** Tokens a second by the median token of all rounds. */
function decodeSpeed(rounds: readonly Measured[]): number {
  return 1 / median(rounds.flatMap(({ tokens }) => tokens));
}

function row(name: string, rounds: readonly Measured[], reference: { onDemand: number; loss: number }): string {
  const decode = decodeSpeed(rounds);
  const prefill = PROMPT / median(rounds.flatMap(({ prompts }) => prompts));
  const { speed, counts } = rounds[0]!;
  const change = 100 * (Math.exp(speed.loss / speed.foreseen - reference.loss) - 1);
  const uses = counts && counts.hits + counts.foreseen + counts.misses.high + counts.misses.low + counts.skipped;
  const share = (count: number): string => ((100 * count) / uses!).toFixed(1);
  const cells = [
    ...[decode.toFixed(1), (decode / reference.onDemand).toFixed(2), prefill.toFixed(0)],
    ...(counts ? [share(counts.hits), share(counts.foreseen), share(counts.skipped)] : ['100', '-', '-']),
    ...(counts ? [counts.penalty.toFixed(0), (counts.bytes / 1e6).toFixed(0)] : ['-', '-']),
    `${change >= 0 ? '+' : ''}${change.toFixed(2)}`,
  ];
  return `| ${name} | ${cells.join(' | ')} |`;
}

async function main(): Promise<void> {
  const [checkpoint, ...files] = process.argv.slice(2);
  if (!checkpoint || !files.length) throw new Error('Expected the folder of a checkpoint and one or more text files.');
  setForDecoding();
  const { description } = await startBackend('native');
  const texts = files.map(textsOf);
  const measured = texts.flatMap((one) => one.measured);
  const temporary = mkdtempSync(join(tmpdir(), 'bam-bench-offload-'));
  try {
    const to = join(temporary, 'experts');
    const written = quantizeCheckpoint({ checkpoint, to, precisions: ['float32', 'int4'], group: GROUP });
    const folder = await openExpertFolder(to);
    const { architecture, parameters } = loadCheckpoint(checkpoint, 'model');
    const resident = decodingModel(architecture, parameters);
    const trace = await routingTrace(
      resident,
      texts.flatMap(({ calibration }) => calibration),
      3,
    );
    writeFileSync('trace.json', JSON.stringify(trace));

    const expertBytes = { high: folder.layout('float32').bytes, low: folder.layout('int4').bytes };
    const bytes = Math.floor(BUDGET * expertBytes.high * written.experts);
    const computing = { float32: await expertSeconds(folder, 'float32'), int4: await expertSeconds(folder, 'int4') };
    const link = expertBytes.high / (SLOWNESS * computing.float32);
    const budget = { bytes, expertBytes };
    const thresholds = matchingThresholds(trace);
    const policies = {
      mixed: choosePolicy(trace, { budget, thresholds }),
      high: choosePolicy(trace, { budget }),
    };
    const systems = servingSystems(bytes, link, { ...policies, thresholds });

    const { layers, width, ffnHidden, mixture } = architecture;
    console.log(
      `${description}; ${layers} layers of ${mixture!.experts} experts, top ${mixture!.ffnTopK}, width ${width}, hidden ${ffnHidden}`,
    );
    console.log(`${measured.length} texts: a prompt of ${PROMPT} bytes, ${DECODED} one by one; ${ROUNDS} rounds`);
    console.log(
      `an expert has ${expertBytes.high} bytes in float32, ${expertBytes.low} in int4; the budget is ${bytes} of ${written.experts * expertBytes.high}`,
    );
    console.log(
      `computing one for one token takes ${(1e3 * computing.float32).toFixed(2)} ms in float32, ${(1e3 * computing.int4).toFixed(2)} ms in int4, which is made float32 each time`,
    );
    console.log(
      `emulated link: ${(link / 1e6).toFixed(1)} MB/s, ${(1e3 * SLOWNESS * computing.float32).toFixed(2)} ms a float32 expert`,
    );
    console.log(
      `thresholds ${thresholds.t1} and ${thresholds.t2}, with which as many are wanted in each precision as of Mixtral`,
    );
    console.log(
      `weights with two precisions ${JSON.stringify(policies.mixed.weights)}, low part ${policies.mixed.lowShare}; with one ${JSON.stringify(policies.high.weights)}`,
    );

    const rounds: Measured[][] = systems.map(() => []);
    const residentRounds: Measured[] = [];
    await measureDecoding(resident, measured.slice(0, 1));
    for (let round = 0; round < ROUNDS; round++) {
      residentRounds.push({ ...(await timed(resident, measured)), counts: undefined });
      for (const [i, system] of systems.entries()) rounds[i]!.push(await measure(folder, measured, system));
    }
    disposeModel(resident);
    await folder.close();
    const [{ speed }] = residentRounds as [Measured];
    const loss = speed.loss / speed.foreseen;
    const onDemand = decodeSpeed(rounds[0]!);
    console.log(`resident perplexity ${Math.exp(loss).toFixed(4)}\n`);
    console.log(
      '| system | decode, tokens/s | times on demand | prefill, tokens/s | in memory, % | on the way, % | left out, % | penalty | MB moved | perplexity, % |',
    );
    console.log('| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |');
    console.log(row('all in memory', residentRounds, { onDemand, loss }));
    for (const [i, { name }] of systems.entries()) console.log(row(name, rounds[i]!, { onDemand, loss }));
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

void main();
