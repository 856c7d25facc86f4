import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RunError } from '../base/errors';
import { parseExperiment } from '../config/parse';
import { applySettings } from '../config/settings';
import type { LauncherName } from '../launch/choose-launcher';
import { planFile } from '../plan/plan-file';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { queryRuns } from '../store/queries';
import { launch, launchDetached } from './launch';
import type { Output } from './output';

export interface RunCommandOptions {
  stages?: string;
  set?: string[];
  resume?: boolean;
  id?: string;
  /** Start the run in a process of its own and return. */
  detach?: boolean;
  /** This is that process. */
  detached?: boolean;
  launcher?: LauncherName;
  /** Also write a Chrome trace of a step of each stage that trains. */
  profile?: boolean;
  json?: boolean;
}

/** `bam run FILE`: executes an experiment and ends with its table and report. Returns the exit code. */
export async function runCommand(file: string, options: RunCommandOptions, output: Output): Promise<number> {
  const { set: settings, id, detached, profile, json, launcher } = options;
  const path = resolve(file);
  // Whoever detached this process has chosen the workspace and begun the run's folder in it.
  const workspace = new Workspace(detached ? process.cwd() : findWorkspaceRoot(dirname(path)));
  const stages = options.stages === undefined ? undefined : stageNames(options.stages);
  const resume = options.resume ? await unfinishedRun(workspace, path) : undefined;
  if (resume && (id || options.detach)) throw useResumeCommand(resume);
  if (options.detach && profile) throw profileHere();
  if (options.detach) {
    const name = await experimentName(path, workspace.dataFolder, settings);
    await launchDetached({ workspace, file: path, name, stages, settings, id, launcher }, { json }, output);
    return 0;
  }
  const plan = () => planFile(path, workspace.dataFolder, settings);
  return launch({ workspace, file: path, plan, stages, id, resume, detached, profile, json, launcher }, output);
}

/** Names with commas between; the commas within a variant's name, such as `bam@seed=2,batch=8`, are its own. */
export function stageNames(text: string): string[] {
  return text.split(/,(?![^,@]*=)/).map((name) => name.trim());
}

/** The latest run of this file that did not finish. */
async function unfinishedRun(workspace: Workspace, file: string): Promise<string> {
  const { value: runs } = await withIndex(workspace, (index) => queryRuns(workspace, index));
  const run = runs.find((candidate) => candidate.file === file && candidate.state !== 'finished');
  if (run) return run.id;
  throw new RunError(`No unfinished run of ${file} is known.`, {
    reason: 'nothing-to-resume',
    advice: 'Leave out --resume to start a new run; `bam runs` lists the runs there are.',
  });
}

function useResumeCommand(run: string): RunError {
  return new RunError('--resume goes on with a run in this process; it fits neither --id nor --detach.', {
    reason: 'contradiction',
    advice: `To go on in the background: bam resume ${run} --detach`,
  });
}

function profileHere(): RunError {
  return new RunError('--profile does not go with --detach.', {
    reason: 'contradiction',
    advice: 'Profile without --detach; --stages NAME takes less time.',
  });
}

/** What the experiment is called. Throws for a file with mistakes: whoever starts a run in the background wants to hear of them now. */
async function experimentName(file: string, dataFolder: string, settings: string[] = []): Promise<string> {
  const known = existsSync(file) ? parseExperiment(applySettings(readFileSync(file, 'utf8'), settings)) : undefined;
  // Planning a file that cannot be planned says all that is wrong with it.
  return (known?.experiment ?? (await planFile(file, dataFolder, settings)).plan).name;
}
