import { fork, type StdioOptions } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { STOP_MESSAGE, TRAINER_EXIT } from '../plan/order';

export interface TrainerProcess {
  /** The bundled trainer, dist/trainer.js. */
  script: string;
  orderFile: string;
  /** What the process prints is appended here. */
  logFile: string;
  /** Asks for a graceful stop: the stage saves a checkpoint and ends. */
  signal: AbortSignal;
  /** Told what the process sends. */
  onMessage?: ((message: unknown) => void) | undefined;
}

/** glibc's heaps: two threads do the work, and each heap more keeps memory that nobody uses. Other systems don't look at it. */
export const TRAINER_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

/** How a trainer process ended; `crashed` says with what. */
export type TrainerEnd = { state: 'finished' | 'stopped' | 'failed' } | { state: 'crashed'; how: string };

/**
 * Runs one trainer process to its end. It stands in a process group of its own, so that Ctrl-C in a terminal reaches only the launcher, which
 * asks it to stop; when the launcher is gone, the closed channel tells it the same.
 */
export async function runTrainer({
  script,
  orderFile,
  logFile,
  signal,
  onMessage,
}: TrainerProcess): Promise<TrainerEnd> {
  const output = openSync(logFile, 'a');
  try {
    const env = { ...TRAINER_ENVIRONMENT, ...process.env };
    const stdio = ['ignore', output, output, 'ipc'] as StdioOptions;
    const child = fork(script, [orderFile], { stdio, env, detached: true, execArgv: [] });
    const stop = (): void => void (child.connected && child.send(STOP_MESSAGE));
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    if (onMessage) child.on('message', onMessage);
    const end = await new Promise<TrainerEnd>((resolve) => {
      child.once('error', (error) => resolve({ state: 'crashed', how: `could not start: ${error.message}` }));
      child.once('exit', (code, killedBy) => resolve(readEnd(code, killedBy)));
    });
    signal.removeEventListener('abort', stop);
    return end;
  } finally {
    closeSync(output);
  }
}

function readEnd(code: number | null, killedBy: NodeJS.Signals | null): TrainerEnd {
  const states = Object.keys(TRAINER_EXIT) as (keyof typeof TRAINER_EXIT)[];
  // Node itself exits with 1 after an uncaught error; the trainer's own failures are told apart by their event.
  const state = states.find((name) => TRAINER_EXIT[name] === code);
  if (state) return { state };
  return { state: 'crashed', how: killedBy ? `was killed by ${killedBy}` : `ended with code ${code}` };
}

/** How a trainer ended that did not end well, with the last of what it printed. */
export function lastWords(end: TrainerEnd, logFile: string): string {
  const how = end.state === 'crashed' ? end.how : 'ended with an error';
  return `${how}. Its last output:\n${lastLines(logFile, 5) || '(none)'}`;
}

/** The last lines of a text file, to show beside a crash. Reads at most its last 16 kB. */
export function lastLines(path: string, count: number): string {
  const handle = openSync(path, 'r');
  try {
    const size = fstatSync(handle).size;
    const buffer = Buffer.alloc(Math.min(size, 16_384));
    readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-count).join('\n');
  } finally {
    closeSync(handle);
  }
}
