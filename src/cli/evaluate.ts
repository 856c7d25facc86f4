import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { BamError, RunError } from '../base/errors';
import { parseQuantity } from '../config/quantity';
import { evaluateFinished, type EvaluateOutcome } from '../launch/evaluate';
import type { Plan } from '../plan/plan';
import { planFile, planText } from '../plan/plan-file';
import { laterAsText, laterEvaluations, laterResults } from '../report/later-evaluations';
import { withIndex } from '../store/index';
import { findWorkspaceRoot, Workspace } from '../store/layout';
import { findRun, queryRun } from '../store/queries';
import { builtScript, EXIT_CODES, prepareRuntime } from './launch';
import { interruptSignal, type Output, printJson } from './output';
import { LiveLine } from './live-line';
import { waitingText } from './progress';

export interface EvaluateCommandOptions {
  stages?: string;
  tokens?: string;
  tasks?: boolean;
  set?: string[];
  json?: boolean;
}

/** `bam evaluate RUN|FILE`: evaluates finished stages once more, without training. Returns the exit code. */
export async function evaluateCommand(
  name: string,
  { stages, tokens, tasks = false, set, json }: EvaluateCommandOptions,
  output: Output,
): Promise<number> {
  const maximum = tokens === undefined ? undefined : countOption(tokens);
  const { workspace, plan } = await planOf(name, set);
  const signal = interruptSignal(output, 'Stopping: what is evaluated so far stays.');
  await prepareRuntime(plan, output, signal);
  const line = new LiveLine(output);
  const outcome = await evaluateFinished({
    ...{ workspace, plan, tokens: maximum, tasks, signal },
    stages: stages?.split(',').map((stage) => stage.trim()),
    trainerScript: builtScript('trainer.js'),
    onAhead: (ahead) => line.print(waitingText(ahead)),
    onProgress: ({ stage, what, done, total }) =>
      line.live(`${stage}: ${done}${total === undefined ? '' : ` of ${total}`} ${what}`),
  });
  line.clear();
  show(workspace, plan, outcome, { json }, output);
  return EXIT_CODES[outcome.state];
}

/** The value of `--tokens`. Throws a `BamError` (`bad-count`). */
export function countOption(text: string): number {
  const value = parseQuantity(text);
  if (value !== undefined) return value;
  throw new BamError(`--tokens should be a positive count, found "${text}".`, {
    reason: 'bad-count',
    advice: 'For example: --tokens 64k',
  });
}

/** The plan of an experiment file, or of the copy of it that a run was started with; `settings` replace values of it. */
export async function planOf(name: string, settings: string[] = []): Promise<{ workspace: Workspace; plan: Plan }> {
  if (statSync(name, { throwIfNoEntry: false })?.isFile()) {
    const file = resolve(name);
    const workspace = new Workspace(findWorkspaceRoot(dirname(file)));
    return { workspace, plan: (await planFile(file, workspace.dataFolder, settings)).plan };
  }
  const workspace = new Workspace(findWorkspaceRoot(process.cwd()));
  const { value: run } = await withIndex(workspace, async (index) =>
    queryRun(workspace, index, await findRun(index, name)),
  );
  const snapshot = workspace.experimentFile(run.id);
  if (run.file === null || !existsSync(snapshot)) {
    throw new RunError(`Run ${run.id} has no copy of its experiment file.`, {
      reason: 'not-planned',
      advice: 'Name the experiment file instead: bam evaluate FILE',
    });
  }
  const text = readFileSync(snapshot, 'utf8');
  return { workspace, plan: (await planText(text, run.file, workspace.dataFolder, settings)).plan };
}

function show(
  workspace: Workspace,
  plan: Plan,
  outcome: EvaluateOutcome,
  { json }: EvaluateCommandOptions,
  output: Output,
): void {
  const chosen = plan.stages.filter(({ name }) => outcome.stages.includes(name));
  const evaluations = laterEvaluations(workspace, chosen);
  if (json) printJson(output, { ...outcome, evaluations });
  else if (outcome.state === 'finished') output.print(laterAsText(laterResults(evaluations, plan)!));
  if (outcome.state === 'failed') output.note(`bam: the evaluation failed. ${outcome.message}`);
}
