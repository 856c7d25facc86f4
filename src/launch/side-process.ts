import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastWords, startTrainer, untilEnd } from './trainer';

/** How a process ended that works beside runs; `message` says why it failed. */
export interface SideOutcome {
  state: 'finished' | 'stopped' | 'failed';
  message?: string;
}

/** What such a process tells: anything, or why it gives up. */
type Message<T> = T | { type: 'failed'; message: string };

/** Has a trainer process execute an order that belongs to no run, and listens to it. */
export async function runSideProcess<T extends { type: string }>(
  order: object,
  { script, signal, onMessage }: { script: string; signal: AbortSignal; onMessage: (message: T) => void },
): Promise<SideOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'bam-'));
  const orderFile = join(folder, 'order.json');
  const outputFile = join(folder, 'output.txt');
  let failure: string | undefined;
  const listen = (message: unknown): void => {
    const sent = message as Message<T>;
    if (sent.type === 'failed') failure = (sent as { message: string }).message;
    else onMessage(sent as T);
  };
  try {
    writeFileSync(orderFile, JSON.stringify(order));
    const end = await untilEnd(startTrainer({ script, orderFile, outputFile, onMessage: listen }), signal);
    if (end.state === 'finished' || end.state === 'stopped') return { state: end.state };
    return { state: 'failed', message: failure ?? `The process ${lastWords(end, outputFile)}` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
