import * as fc from 'fast-check';
import { Worker } from 'node:worker_threads';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BamError } from '../../src/base/errors';
import { deriveSeed, uniformGenerator } from '../../src/base/random';
import { mutate } from './mutate';
import type { Target } from './target';

/** Longest that a reader may compute for one input; what other programs take of the machine meanwhile does not count. */
const MAXIMUM_MILLISECONDS = 1000;
/** After so long an input is taken for one that never ends, and the process for lost. */
const LOST_MILLISECONDS = 30_000;
/** How much more a reader may hold at the end than after its first inputs. */
const MAXIMUM_GROWTH = 64e6;
/** Structured inputs are drawn so many at a time. */
const BLOCK = 100;
/** Different findings of one target that are kept. */
const MAXIMUM_FINDINGS = 20;

export interface Finding {
  kind: 'crash' | 'slow' | 'memory';
  /** Where in the code, so that equal findings are told once. */
  where: string;
  message: string;
  /** Which input: `--only` makes it again. */
  index: number;
  input: Buffer;
}

export interface FuzzResult {
  target: string;
  inputs: number;
  /** How many were taken; the others were refused by an error of the project. */
  taken: number;
  seconds: number;
  slowestMilliseconds: number;
  /** Bytes on the heap at the end over those after the first inputs. */
  growth: number;
  findings: Finding[];
}

export interface FuzzOptions {
  seed: number;
  inputs: number;
  /** Only the input of this number. */
  only?: number;
}

/** The input of a number: the first third are bytes that were changed, the others structured where the target has such. */
export function inputAt(target: Target, seed: number, index: number, blocks: Map<number, Buffer[]>): Buffer {
  const { corpus, structured, name } = target;
  const own = uniformGenerator(deriveSeed(seed, name, index));
  if (index < corpus.length) return corpus[index]!;
  if (!structured || index % 3 === 0) return mutate(corpus, own);
  const block = Math.floor(index / BLOCK);
  if (!blocks.has(block)) {
    blocks.clear();
    // fast-check takes seeds of 31 bits.
    const drawn = { seed: deriveSeed(seed, name, 'block', block) >>> 1, numRuns: BLOCK };
    blocks.set(block, fc.sample(structured, drawn));
  }
  return blocks.get(block)![index % BLOCK]!;
}

/** Feeds a target with inputs and says what went wrong. */
export async function fuzz(target: Target, { seed, inputs, only }: FuzzOptions): Promise<FuzzResult> {
  const findings = new Map<string, Finding>();
  const watch = watchdog(target.name, seed);
  const blocks = new Map<number, Buffer[]>();
  const began = performance.now();
  let [taken, slowest, heapBefore] = [0, 0, 0];
  const warm = Math.min(inputs, 1000);
  const from = only ?? 0;
  for (let index = from; index < (only === undefined ? inputs : only + 1); index++) {
    const input = inputAt(target, seed, index, blocks);
    const note = (kind: Finding['kind'], where: string, message: string): void => {
      const key = `${kind} ${where}`;
      if (findings.size < MAXIMUM_FINDINGS && !findings.has(key))
        findings.set(key, { kind, where, message, index, input });
    };
    watch.begin(index);
    const start = process.cpuUsage();
    try {
      await target.run(input, uniformGenerator(deriveSeed(seed, target.name, 'run', index)));
      taken++;
    } catch (error) {
      const problem = problemOf(error);
      if (problem) note('crash', problem.where, problem.message);
    }
    const { user, system } = process.cpuUsage(start);
    const milliseconds = (user + system) / 1000;
    watch.end();
    slowest = Math.max(slowest, milliseconds);
    if (milliseconds > MAXIMUM_MILLISECONDS) note('slow', String(index % 1000), `${Math.round(milliseconds)} ms`);
    if (index === warm - 1) heapBefore = heapBytes();
  }
  const growth = only === undefined && inputs > warm ? heapBytes() - heapBefore : 0;
  if (growth > MAXIMUM_GROWTH) {
    const whole: Finding = {
      kind: 'memory',
      where: '',
      message: `${growth} bytes more`,
      index: inputs,
      input: Buffer.alloc(0),
    };
    findings.set('memory', whole);
  }
  watch.stop();
  const seconds = (performance.now() - began) / 1000;
  return {
    target: target.name,
    inputs,
    taken,
    seconds,
    slowestMilliseconds: slowest,
    growth,
    findings: [...findings.values()],
  };
}

/** What is wrong with a thrown value; nothing where it is an error of the project that says what to expect. */
export function problemOf(error: unknown): { where: string; message: string } | undefined {
  if (error instanceof BamError && error.reason && error.message) return undefined;
  if (!(error instanceof Error)) return { where: 'not an error', message: String(error) };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const own = frames.find((line) => /\/(src|webview)\//.test(line)) ?? frames[0] ?? '';
  return { where: `${error.name} ${own.trim()}`, message: error.message.slice(0, 300) };
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A thread that ends the process, and says at which input, where one takes for ever. */
function watchdog(name: string, seed: number) {
  const shared = new BigInt64Array(new SharedArrayBuffer(16));
  const code = `
    const { workerData: { shared, name, seed, limit } } = require('node:worker_threads');
    let [last, ticks] = [0n, 0];
    // Seconds are counted here, not read from the clock: a machine that sleeps is no reader that hangs.
    setInterval(() => {
      const begun = Atomics.load(shared, 0);
      ticks = begun && begun === last ? ticks + 1 : 0;
      last = begun;
      if (ticks < limit / 1000) return;
      require('node:fs').writeSync(2, \`\${name}: input \${Atomics.load(shared, 1)} of seed \${seed} does not end\\n\`);
      process.kill(process.pid, 'SIGKILL');
    }, 1000);`;
  const worker = new Worker(code, { eval: true, workerData: { shared, name, seed, limit: LOST_MILLISECONDS } });
  worker.unref();
  return {
    begin(index: number): void {
      shared[1] = BigInt(index);
      shared[0] = BigInt(index + 1);
    },
    end: (): unknown => (shared[0] = 0n),
    stop: (): unknown => worker.terminate(),
  };
}

/** A smaller input with the same finding, by leaving out ever smaller parts. */
export async function shrink(target: Target, finding: Finding, seed: number): Promise<Buffer> {
  const fails = async (input: Buffer): Promise<boolean> => {
    const random = uniformGenerator(deriveSeed(seed, target.name, 'run', finding.index));
    try {
      await target.run(input, random);
      return false;
    } catch (error) {
      return problemOf(error)?.where === finding.where;
    }
  };
  let input = finding.input;
  let tries = 0;
  for (let size = input.length >> 1; size >= 1 && tries < 2000; size >>= 1) {
    for (let at = 0; at < input.length && tries < 2000; tries++) {
      const shorter = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
      if (await fails(shorter)) input = shorter;
      else at += size;
    }
  }
  return input;
}
