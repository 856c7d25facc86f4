import { fork, type StdioOptions } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { hasCode } from '../base/errors';
import { STOP_MESSAGE, TRAINER_EXIT } from '../plan/order';
import type { Job } from './launcher';

export interface TrainerProcess {
  /** The bundled trainer, dist/trainer.js. */
  script: string;
  orderFile: string;
  /** What the process prints is appended here. */
  outputFile: string;
  /** Variables beside those of this process. */
  environment?: NodeJS.ProcessEnv | undefined;
  /** Told what the process sends. */
  onMessage?: ((message: unknown) => void) | undefined;
}

/** glibc's heaps: two threads do the work, and each heap more keeps memory that nobody uses. Other systems don't look at it. */
export const TRAINER_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

/** How a trainer process ended; `crashed` says with what. */
export type TrainerEnd = { state: 'finished' | 'stopped' | 'failed' } | { state: 'crashed'; how: string };

/**
 * Starts one trainer process. It stands in a process group of its own, so that Ctrl-C in a terminal reaches only the launcher, which
 * asks it to stop; when the launcher is gone, the closed channel tells it the same.
 */
export function startTrainer({ script, orderFile, outputFile, environment, onMessage }: TrainerProcess): Job {
  const output = openSync(outputFile, 'a');
  try {
    const env = { ...TRAINER_ENVIRONMENT, ...process.env, ...environment };
    const stdio = ['ignore', output, output, 'ipc'] as StdioOptions;
    const child = fork(script, [orderFile], { stdio, env, detached: true, execArgv: [] });
    if (onMessage) child.on('message', onMessage);
    const end = new Promise<TrainerEnd>((resolve) => {
      child.once('error', (error) => resolve({ state: 'crashed', how: `could not start: ${error.message}` }));
      child.once('exit', (code, killedBy) => resolve(readEnd(code, killedBy)));
    });
    return { end, stop: () => void (child.connected && child.send(STOP_MESSAGE)) };
  } finally {
    closeSync(output);
  }
}

/** Waits for a job to end; the signal asks it to stop. */
export async function untilEnd(job: Job, signal: AbortSignal): Promise<TrainerEnd> {
  const stop = (): void => job.stop();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    return await job.end;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What the exit code of a trainer, or the signal that killed it, says. */
export function readEnd(code: number | null, killedBy: string | null): TrainerEnd {
  const states = Object.keys(TRAINER_EXIT) as (keyof typeof TRAINER_EXIT)[];
  // Node itself exits with 1 after an uncaught error; the trainer's own failures are told apart by their event.
  const state = states.find((name) => TRAINER_EXIT[name] === code);
  if (state) return { state };
  return { state: 'crashed', how: killedBy ? `was killed by ${killedBy}` : `ended with code ${code}` };
}

/** How a trainer ended that did not end well, with the last of what it printed. */
export function lastWords(end: TrainerEnd, outputFile: string): string {
  const how = end.state === 'crashed' ? end.how : 'ended with an error';
  return `${how}. Its last output:\n${lastLines(outputFile, 5) || '(none)'}`;
}

/** The last lines of a text file, to show beside a crash; nothing, where there is none. Reads at most its last 16 kB. */
export function lastLines(path: string, count: number): string {
  let handle: number;
  try {
    handle = openSync(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
  try {
    const size = fstatSync(handle).size;
    const buffer = Buffer.alloc(Math.min(size, 16_384));
    readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } finally {
    closeSync(handle);
  }
}
