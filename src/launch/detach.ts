import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { RunError } from '../base/errors';
import { lockHolder } from '../base/lock';
import type { LauncherName } from './choose-launcher';
import { claimRunId, newRunId, type Workspace } from '../store/layout';
import { lastLines } from './trainer';

const POLL_MILLISECONDS = 20;
/** How long to wait for the launcher's first event: a busy machine takes seconds to load it. */
const STARTING_MILLISECONDS = 30_000;
/** How much of what a launcher printed an error shows: Node's own errors take a dozen lines. */
const OUTPUT_LINES = 20;

export interface DetachedRun {
  workspace: Workspace;
  /** The experiment file's path, and the name that the run's id begins with. */
  file: string;
  name: string;
  /** Only these stages and what they need; all, if left out. */
  stages?: readonly string[] | undefined;
  /** `path=value` pairs that replace values of the file. */
  settings?: readonly string[] | undefined;
  /** What executes it, if not what the file says. */
  launcher?: LauncherName | undefined;
  /** The id of the new run; one is made up, if left out. */
  id?: string | undefined;
  /** Go on with this run, from its own copy of the file, instead of starting a new one. */
  resume?: string | undefined;
  /** The bundled command line, dist/cli.js. */
  cliScript: string;
}

/**
 * Starts or resumes a run in a launcher that outlives this process, with a process group of its own. Returns as soon as the run's log says
 * that it has begun: from then on it is listed and can be stopped, and what goes wrong stands in its log, mistakes in the file among it.
 * Throws a `RunError` (`unknown-run`, `locked`, `exists`, `bad-name`, `launch-failed`).
 */
export async function startDetached(options: DetachedRun): Promise<{ run: string; pid: number }> {
  const { workspace, name, id, resume } = options;
  if (resume) refuseIfBusy(workspace, resume);
  const run = resume ?? (id ? claimRunId(workspace, id) : newRunId(workspace, name, new Date()));
  const size = (): number => statSync(workspace.eventsFile(run), { throwIfNoEntry: false })?.size ?? 0;
  const before = size();
  const launcher = spawnLauncher(options, run);
  const failure = new Promise<string>((resolve) => {
    launcher.once('error', (error) => resolve(`could not start (${error.message}). Its output:`));
    launcher.once('exit', () => resolve('ended before its log began. Its last output:'));
  });
  for (const end = Date.now() + STARTING_MILLISECONDS; size() === before && Date.now() < end;) {
    const failed = await Promise.race([failure, setTimeout(POLL_MILLISECONDS)]);
    if (failed === undefined || size() > before) continue;
    const output = lastLines(workspace.launcherFile(run), OUTPUT_LINES);
    if (!resume) rmSync(workspace.runFolder(run), { recursive: true });
    throw new RunError(`The launcher of run ${run} ${failed}\n${output || '(none)'}`, { reason: 'launch-failed' });
  }
  launcher.unref();
  return { run, pid: launcher.pid! };
}

function refuseIfBusy(workspace: Workspace, run: string): void {
  if (!existsSync(workspace.runFolder(run))) {
    throw new RunError(`There is no run ${run}.`, { reason: 'unknown-run', advice: '`bam runs` lists them.' });
  }
  const holder = lockHolder(workspace.runLockFile(run));
  if (!holder) return;
  throw new RunError(`Run ${run} is in use by process ${holder.pid}.`, {
    reason: 'locked',
    advice: `Wait until it ends, or stop it: bam stop ${run}`,
  });
}

function spawnLauncher(options: DetachedRun, run: string): ChildProcess {
  const { workspace, file, stages, settings = [], launcher, resume, cliScript } = options;
  const command = resume
    ? ['resume', run]
    : [
        ...['run', file, '--id', run],
        ...(stages ? ['--stages', stages.join(',')] : []),
        ...(launcher ? ['--launcher', launcher] : []),
        ...settings.map((setting) => `--set=${setting}`),
      ];
  const output = openSync(workspace.launcherFile(run), 'a');
  try {
    return spawn(process.execPath, [cliScript, ...command, '--detached'], {
      cwd: workspace.root,
      // The host of an editor's extensions is a Node only when told so.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['ignore', output, output],
      detached: true,
      windowsHide: true,
    });
  } finally {
    closeSync(output);
  }
}
