import assert from 'node:assert/strict';
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { uniformGenerator } from '../../src/base/random';
import type { EventOf, RunEvent } from '../../src/events/event';
import { readLog } from '../../src/events/log';
import { trainersOf } from '../../src/store/attempts';
import { Workspace } from '../../src/store/layout';
import type { RunDetails } from '../../src/store/queries';

const BAM = join(__dirname, '..', '..', 'bin', 'bam.js');

/** The beginning of tiny experiments: a small model and two domains. */
export const TINY_DATA = `name: tiny
seed: 3
model: { layers: 2, width: 32, heads: 2, ffnHidden: 48, context: 32 }
domains:
  prose: { files: "prose/*.txt" }
  sums: { files: sums.jsonl, field: text }
`;

/** A tiny experiment: two domains, a seed, a specialist, a mixture. Trains in seconds. */
export const TINY = `${TINY_DATA}stages:
  seed: { train: { mix: { prose: 1 }, tokens: 7680, batch: 4, evaluateEvery: 25, evaluationTokens: 512, checkpointEvery: 20 } }
  sums: { from: seed, train: { like: seed, mix: { sums: 1 }, tokens: 2560 } }
  mixture: { upcycle: { method: bam, experts: [seed, sums] }, train: { like: seed, mix: equal, tokens: 2560 } }
`;

/** The experiment with the form of training steps that `BAM_TEST_STEP` asks for; `auto` where nothing is asked. */
function withStep(experiment: string): string {
  const step = process.env.BAM_TEST_STEP;
  return step && !/^engine:/m.test(experiment) ? `${experiment.trimEnd()}\nengine: { step: ${step} }\n` : experiment;
}

/** A workspace folder with real files, made anew for a test. */
export class TestWorkspace {
  readonly workspace: Workspace;
  readonly file: string;

  constructor(
    readonly root = mkdtempSync(join(tmpdir(), 'bam-run-')),
    experiment = TINY,
  ) {
    this.workspace = new Workspace(root);
    this.file = join(root, 'tiny.bam.yaml');
    mkdirSync(join(root, 'prose'), { recursive: true });
    writeFileSync(this.file, withStep(experiment));
    writeCorpora(root);
  }

  /** What `bam` is started with: runs of this workspace wait for each other and for no others. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, BAM_QUEUE_FOLDER: join(this.root, '.queue') };
  }

  /** Starts `bam` in this workspace. */
  start(...args: string[]): ChildProcess {
    const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
    return spawn(process.execPath, [BAM, ...args], { cwd: this.root, env: this.environment, stdio });
  }

  /** Runs `bam` to its end. */
  async bam(...args: string[]): Promise<BamResult> {
    return outcome(this.start(...args));
  }

  /** The only run, or the newest. */
  get run(): string {
    return readdirSync(this.workspace.runsFolder).sort().at(-1)!;
  }

  events(run = this.run): RunEvent[] {
    return readLog(this.workspace.eventsFile(run)).events;
  }

  /** Waits until an event of a run passes the test, and returns it. */
  async until(test: (event: RunEvent) => boolean, run?: string): Promise<RunEvent> {
    for (const end = Date.now() + 60_000; Date.now() < end; await setTimeout(5)) {
      const found = existsSync(this.workspace.runsFolder) && readdirSync(this.workspace.runsFolder).length > 0;
      const event = found ? this.events(run).find(test) : undefined;
      if (event) return event;
    }
    throw new Error('the event did not come within a minute');
  }

  /** The process that trains now, from the lock that it holds. */
  trainerPid(run = this.run): number {
    return trainersOf(this.workspace, run)[0]!.pid;
  }

  /** Starts a run in the background; returns its id and the launcher's process id. */
  async detach(...args: string[]): Promise<{ run: string; pid: number }> {
    const started = await this.bam(...args, '--detach', '--json');
    assertSucceeded(started);
    return JSON.parse(started.stdout) as { run: string; pid: number };
  }

  /** A run as `bam show` tells it. */
  async show(run: string): Promise<RunDetails> {
    const shown = await this.bam('show', run, '--json');
    assertSucceeded(shown);
    return JSON.parse(shown.stdout) as RunDetails;
  }

  /** Tickets in the queue of this workspace, of whatever device. */
  tickets(): string[] {
    const folder = join(this.root, '.queue');
    if (!existsSync(folder)) return [];
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /[/\\]\d{15}-/.test(name));
  }

  /** Folder of the checkpoints of the stage that trains now or trained last. */
  checkpoints(stage: string): string {
    const started = this.events().findLast((event): event is EventOf<'stage.started'> => {
      return event.type === 'stage.started' && event.stage === stage;
    });
    return join(this.workspace.stageFolder(started!.key), 'checkpoints');
  }

  /** What the run came to: the loss of every step, as the last to write it said, and every final evaluation. */
  outcome(run = this.run): { losses: Map<string, number>; averages: Map<string, number> } {
    const losses = new Map<string, number>();
    const averages = new Map<string, number>();
    for (const event of this.events(run)) {
      if (event.type === 'step') losses.set(`${event.stage} ${event.step}`, event.loss);
      if (event.type === 'stage.finished') averages.set(event.stage, event.evaluation.averagePerplexity);
    }
    return { losses, averages };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export interface BamResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Waits for a process and gives what it printed. */
export async function outcome(child: ChildProcess): Promise<BamResult> {
  let stdout = '';
  let stderr = '';
  child.stdout!.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr!.on('data', (chunk) => (stderr += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, stdout, stderr };
}

/** Asserts that a process ended well; shows what it printed if not. */
export function assertSucceeded({ code, stdout, stderr }: BamResult): void {
  assert.equal(code, 0, `exit code ${code}\n${stdout}\n${stderr}`);
}

/** Whether a process with this id is at work: one that has ended and waits for its parent to notice is not. */
export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = `/proc/${pid}/status`;
  return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, 'utf8'));
}

/** Waits for a process to be gone. */
export async function untilGone(pid: number): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; await setTimeout(20)) {
    if (!isThere(pid)) return;
  }
  throw new Error(`process ${pid} is still there after 30 s`);
}

const WORDS = 'the model learns to route each token of a text to one of its experts and mixes what they say'.split(' ');

function writeCorpora(root: string): void {
  const uniform = uniformGenerator(7);
  const words = (count: number): string =>
    Array.from({ length: count }, () => WORDS[Math.floor(uniform() * WORDS.length)]).join(' ');
  for (let i = 0; i < 40; i++) writeFileSync(join(root, 'prose', `${i}.txt`), `${words(120)}.\n`);
  const sums = Array.from({ length: 400 }, () => {
    const [a, b] = [Math.floor(uniform() * 100), Math.floor(uniform() * 100)];
    return JSON.stringify({ text: `${a}+${b}=${a + b}\n` });
  });
  writeFileSync(join(root, 'sums.jsonl'), `${sums.join('\n')}\n`);
}
