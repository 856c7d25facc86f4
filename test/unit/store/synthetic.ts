import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evaluation, EventBody, Routing } from '../../../src/events/event';
import { Workspace } from '../../../src/store/layout';

/** Runs `work` on a new workspace with a `.bam` folder, which is removed afterwards. */
export async function withWorkspace(work: (workspace: Workspace) => unknown): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'bam-store-'));
  try {
    const workspace = new Workspace(root);
    mkdirSync(workspace.runsFolder, { recursive: true });
    await work(workspace);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** When the first synthetic event of a run happens: 2026-11-24T17:15:30Z. */
export const START = Date.UTC(2026, 10, 24, 17, 15, 30);

/** Event lines with sequence numbers from `first` on, a second apart. */
export function eventLines(bodies: EventBody[], first = 1, start = START): string {
  return bodies
    .map((body, i) => `${JSON.stringify({ sequence: first + i, time: start + (first + i - 1) * 1000, ...body })}\n`)
    .join('');
}

/** Appends events to the log of a run, whose folder is created. */
export function writeEvents(workspace: Workspace, run: string, bodies: EventBody[], first = 1, start = START): void {
  mkdirSync(workspace.runFolder(run), { recursive: true });
  appendFileSync(workspace.eventsFile(run), eventLines(bodies, first, start));
}

export function runStarted(
  run: string,
  stages: string[],
  more: { experiment?: string; file?: string } = {},
): EventBody {
  const { experiment = 'law-math', file = '/home/ada/law-math.bam.yaml' } = more;
  return { type: 'run.started', run, experiment, file, seed: 7, commit: '0a1b2c3', version: '0.1.0', stages };
}

export function stageStarted(stage: string, fromStep = 0, steps = 100): EventBody {
  const engine = 'native TensorFlow 2.21.0, CPU, 2 threads';
  return { type: 'stage.started', stage, key: `key-${stage}`, fromStep, steps, engine };
}

export function step(stage: string, at: number, loss: number, routing: Routing[] = []): EventBody {
  const parts = { loss, languageModel: loss, loadBalance: 1, routerZ: 0.1, learningRate: 1e-3, gradientNorm: 0.7 };
  const cost = { tokensPerSecond: 5000, residentBytes: 3e8, tensors: 120 };
  return { type: 'step', stage, step: at, tokens: at * 2048, flops: at * 1e9, ...parts, ...cost, routing };
}

/** An evaluation with these perplexities by domain. */
export function evaluation(
  at: number,
  perplexity: Record<string, number>,
  routing: Evaluation['routing'] = {},
): Evaluation {
  const domains = Object.fromEntries(
    Object.entries(perplexity).map(([domain, value]) => {
      const loss = Math.log(value);
      return [domain, { loss, perplexity: value, bitsPerByte: loss / Math.LN2, tokens: 16_384 }];
    }),
  );
  const values = Object.values(perplexity);
  const averagePerplexity = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { step: at, tokens: at * 2048, flops: at * 1e9, domains, averagePerplexity, routing };
}

export function evaluated(
  stage: string,
  at: number,
  perplexity: Record<string, number>,
  routing: Evaluation['routing'] = {},
): EventBody {
  return { type: 'evaluation', stage, ...evaluation(at, perplexity, routing) };
}

export function stageFinished(stage: string, result: Evaluation): EventBody {
  return { type: 'stage.finished', stage, key: `key-${stage}`, step: result.step, seconds: 42, evaluation: result };
}

export const RUN_FINISHED: EventBody = { type: 'run.ended', state: 'finished', seconds: 60 };
