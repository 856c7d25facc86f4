import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { explainError } from '../base/errors';
import { writeFileAtomic } from '../base/files';
import { describeInstall, installRuntime } from '../engine/runtime/install';
import { installedRuntime } from '../engine/runtime/installed';
import type { LauncherName } from '../launch/choose-launcher';
import { type DetachedRun, startDetached } from '../launch/detach';
import { executeRun, type RunOutcome } from '../launch/run';
import { type RunSession, withAnnouncedRun } from '../launch/session';
import { withAncestors } from '../plan/graph';
import type { Plan } from '../plan/plan';
import type { PlannedFile } from '../plan/plan-file';
import { reportRun } from '../report/run-report';
import type { Workspace } from '../store/layout';
import { interruptSignal, type Output, printJson } from './output';
import { RunProgress } from './progress';
import { installProgress } from './runtime';
import { version } from '../../package.json';

/** What a command ends with, by how its work ended. */
export const EXIT_CODES = { finished: 0, failed: 1, stopped: 130 } as const;

export interface Launch {
  workspace: Workspace;
  /** The experiment file's path, and how it is planned. */
  file: string;
  plan: () => Promise<PlannedFile>;
  stages?: string[] | undefined;
  /** The id of the new run, or the run to go on with. */
  id?: string | undefined;
  resume?: string | undefined;
  /** `startDetached` started this process: `id` or `resume` has a folder, and failures belong into its log. */
  detached?: boolean | undefined;
  /** What executes it, if not what the file says. */
  launcher?: LauncherName | undefined;
  /** Also profile a step of each stage that trains. */
  profile?: boolean | undefined;
  json?: boolean | undefined;
}

/** Executes a run in this process and ends with its table and report. Returns the exit code. */
export async function launch(options: Launch, output: Output): Promise<number> {
  const outcome = options.detached ? await launchAnnounced(options, output) : await execute(options, output);
  return finish(options, outcome, output);
}

function launchAnnounced(options: Launch, output: Output): Promise<RunOutcome> {
  const { workspace, file, id, resume } = options;
  // Before anything else: it can be asked to stop while it plans.
  const signal = interruptSignal(output);
  const announcement = { workspace, run: (resume ?? id)!, file, version, isResumed: resume !== undefined, signal };
  return withAnnouncedRun(announcement, (session) => execute(options, output, { signal, session }));
}

async function execute(
  { workspace, file, plan: planIt, stages, id, resume, profile, launcher }: Launch,
  output: Output,
  announced?: { signal: AbortSignal; session: RunSession },
): Promise<RunOutcome> {
  const { plan, text } = await planIt();
  const signal = announced?.signal ?? interruptSignal(output);
  await prepareRuntime(plan, output, signal);
  let progress: RunProgress | undefined;
  try {
    return await executeRun({
      ...{
        workspace,
        plan,
        file,
        text,
        stages,
        id,
        resume,
        profile,
        signal,
        version,
        launcherName: launcher,
        session: announced?.session,
      },
      trainerScript: builtScript('trainer.js'),
      onStart: (run) => {
        const chosen = stages ? withAncestors(plan, stages) : plan.stages;
        progress = new RunProgress(workspace.eventsFile(run), chosen, output, profile);
        progress.start();
      },
    });
  } finally {
    progress?.finish();
  }
}

/** Starts or resumes a run in a process of its own, and prints its id. */
export async function launchDetached(
  options: Omit<DetachedRun, 'cliScript'>,
  { json }: { json?: boolean | undefined },
  output: Output,
): Promise<void> {
  const { run, pid } = await startDetached({ ...options, cliScript: builtScript('cli.js') });
  if (json) printJson(output, { run, pid, folder: options.workspace.runFolder(run) });
  else output.print(run);
}

/** The bundle beside this one; under a TypeScript loader, the built one. */
export function builtScript(name: string): string {
  const beside = join(__dirname, name);
  return existsSync(beside) ? beside : join(__dirname, '..', '..', 'dist', name);
}

/** Installs the native runtime at the first run, after saying what that fetches. Without it `auto` goes on with wasm. */
export async function prepareRuntime(
  { backend }: Pick<Plan, 'backend'>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if (backend === 'wasm' || installedRuntime()) return;
  output.note(describeInstall(false));
  try {
    await installRuntime({ signal, onProgress: installProgress(output) });
  } catch (error) {
    if (backend === 'native' || signal.aborted) throw error;
    output.note(`warning: going on with wasm, 10 to 40 times slower: ${explainError(error)}`);
  }
}

async function finish({ workspace, json }: Launch, outcome: RunOutcome, output: Output): Promise<number> {
  const { table, html, results, variants } = await reportRun(workspace, outcome.run);
  const reportFile = workspace.reportFile(outcome.run);
  writeFileAtomic(reportFile, html);
  if (json) {
    printJson(output, { ...outcome, report: reportFile, results, variants });
  } else {
    output.print(`\n${table}\n`);
    output.print(`Report: ${reportFile}`);
  }
  if (outcome.state === 'failed') output.note(`bam: the run failed. ${outcome.message}`);
  if (outcome.state === 'stopped') output.note(`The run was stopped. Go on with: bam resume ${outcome.run}`);
  return EXIT_CODES[outcome.state];
}
