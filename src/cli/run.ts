import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { explainError, RunError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { describeInstall, installRuntime } from '../engine/runtime/install';
import { installedRuntime } from '../engine/runtime/installed';
import { executeRun, type RunOutcome } from '../launch/run';
import { withAncestors } from '../plan/graph';
import type { Plan } from '../plan/plan';
import { planFile } from '../plan/plan-file';
import { reportRun } from '../report/run-report';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { withIndex } from '../store/index';
import { queryRuns } from '../store/queries';
import { interruptSignal, type Output, printJson } from './output';
import { RunProgress } from './progress';
import { installProgress } from './runtime';
import { version } from '../../package.json';

export interface RunCommandOptions {
  stages?: string;
  set?: string[];
  resume?: boolean;
  json?: boolean;
}

const EXIT_CODES = { finished: 0, failed: 1, stopped: 130 } as const;

/** `bam run FILE`: executes an experiment and ends with its table and report. Returns the exit code. */
export async function runCommand(file: string, options: RunCommandOptions, output: Output): Promise<number> {
  const path = resolve(file);
  const workspace = new Workspace(findWorkspaceRoot(dirname(path)));
  const { plan, text } = await planFile(path, workspace.dataFolder, options.set);
  const stages = options.stages?.split(',').map((name) => name.trim());
  const resume = options.resume ? await unfinishedRun(workspace, path) : undefined;
  const signal = interruptSignal(output);
  await prepareRuntime(plan, output, signal);
  const chosen = stages ? withAncestors(plan, stages) : plan.stages;
  let progress: RunProgress | undefined;
  let outcome: RunOutcome;
  try {
    outcome = await executeRun({
      workspace,
      plan,
      file: path,
      text,
      stages,
      resume,
      signal,
      version,
      trainerScript: trainerScript(),
      onStart: (run) => {
        progress = new RunProgress(workspace.eventsFile(run), chosen, output);
        progress.start();
      },
    });
  } finally {
    progress?.finish();
  }
  return finish(workspace, outcome, options, output);
}

/** The bundle beside this one; under a TypeScript loader, the built one. */
function trainerScript(): string {
  const beside = join(__dirname, 'trainer.js');
  return existsSync(beside) ? beside : join(__dirname, '..', '..', 'dist', 'trainer.js');
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

/** Installs the native runtime at the first run, after saying what that fetches. Without it `auto` goes on with wasm. */
async function prepareRuntime(plan: Plan, output: Output, signal: AbortSignal): Promise<void> {
  if (plan.backend === 'wasm' || installedRuntime()) return;
  output.note(describeInstall(false));
  try {
    await installRuntime({ signal, onProgress: installProgress(output) });
  } catch (error) {
    if (plan.backend === 'native' || signal.aborted) throw error;
    output.note(`warning: going on with wasm, 10 to 40 times slower: ${explainError(error)}`);
  }
}

async function finish(
  workspace: Workspace,
  outcome: RunOutcome,
  { json }: RunCommandOptions,
  output: Output,
): Promise<number> {
  const { table, html, results } = await reportRun(workspace, outcome.run);
  const reportFile = workspace.reportFile(outcome.run);
  writeFileAtomic(reportFile, html);
  if (json) {
    printJson(output, { ...outcome, report: reportFile, results });
  } else {
    output.print(`\n${table}\n`);
    output.print(`Report: ${reportFile}`);
  }
  if (outcome.state === 'failed') output.note(`bam: the run failed. ${outcome.message}`);
  if (outcome.state === 'stopped') output.note('The run was stopped. Go on with: bam run FILE --resume');
  return EXIT_CODES[outcome.state];
}
