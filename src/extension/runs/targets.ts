import * as vscode from 'vscode';
import { formatMeasure, formatTime } from '../../base/format';
import type { RunSummary } from '../../store/queries';
import { isExperimentFile } from '../project/experiment-files';
import type { ProjectRun, Projects } from '../project/projects';
import { stateName } from '../tree/items';
import { type Node, runLabel } from '../tree/nodes';
import { notify } from '../notify';

/** A run, and maybe a stage, as lenses and panels name them. */
export interface RunTarget {
  root: string;
  run: string;
  stage?: string;
}

/** An experiment file, and maybe one stage of it. */
export interface FileTarget {
  file: string;
  stage?: string;
}

/** What a command may be given: nothing (palette), a node (tree), a target (lens, panel), a file's address (explorer). */
export type CommandArgument = Node | RunTarget | FileTarget | vscode.Uri | undefined;

/** The run that a command means; asks where it is not clear. `fits` says which runs it can work on. */
export async function resolveRun(
  projects: Projects,
  argument: CommandArgument,
  placeHolder: string,
  fits: (run: RunSummary) => boolean = () => true,
): Promise<(ProjectRun & { stage?: string }) | undefined> {
  const named = namedRun(projects, argument);
  if (named) return named;
  const file = fileOf(argument);
  const candidates = (file === undefined ? allRuns(projects) : projects.runsOf(file)).filter(({ run }) => fits(run));
  if (candidates.length === 1) return candidates[0];
  if (!candidates.length) {
    void notify.information(vscode.l10n.t('There is no run for this yet.'));
    return undefined;
  }
  return (await vscode.window.showQuickPick(candidates.map(runChoice), { placeHolder, matchOnDescription: true }))
    ?.target;
}

/** The runs that a command over several means; asks for them. The first chosen comes first. */
export async function resolveRuns(projects: Projects, given: readonly CommandArgument[]): Promise<ProjectRun[]> {
  const named = given.flatMap((argument) => namedRun(projects, argument) ?? []);
  if (named.length > 1) return named;
  const choices = allRuns(projects).map((target) => ({
    ...runChoice(target),
    picked: named.some(({ run }) => run.id === target.run.id),
  }));
  const placeHolder = vscode.l10n.t('Choose 2 to 10 runs to compare; the oldest is the baseline');
  const chosen = await vscode.window.showQuickPick(choices, {
    placeHolder,
    canPickMany: true,
    matchOnDescription: true,
  });
  return (chosen ?? []).map(({ target }) => target).reverse();
}

/** The experiment file that a command means: given, that of the active editor, or chosen. */
export async function resolveFile(
  argument: CommandArgument,
  files: readonly vscode.Uri[],
): Promise<string | undefined> {
  const given = fileOf(argument);
  if (given !== undefined) return given;
  const active = vscode.window.activeTextEditor?.document.uri;
  if (active && isExperimentFile(active)) return active.fsPath;
  if (files.length === 1) return files[0]!.fsPath;
  const choices = files.map((uri) => ({ label: vscode.workspace.asRelativePath(uri), file: uri.fsPath }));
  if (!choices.length) {
    void notify.information(vscode.l10n.t('There is no *.bam.yaml file here. "BAM: New Experiment" makes one.'));
    return undefined;
  }
  const placeHolder = vscode.l10n.t('Which experiment?');
  return (await vscode.window.showQuickPick(choices, { placeHolder }))?.file;
}

function fileOf(argument: CommandArgument): string | undefined {
  if (argument instanceof vscode.Uri) return argument.fsPath;
  return argument && 'file' in argument ? argument.file : undefined;
}

function namedRun(projects: Projects, argument: CommandArgument): (ProjectRun & { stage?: string }) | undefined {
  if (!argument || argument instanceof vscode.Uri) return undefined;
  if ('kind' in argument) {
    if (argument.kind === 'file') return undefined;
    const stage = argument.kind === 'stage' ? argument.stage.name : undefined;
    return { project: argument.project, run: argument.run, ...(stage !== undefined && { stage }) };
  }
  if (!('root' in argument)) return undefined;
  const project = projects.byRoot(argument.root);
  const run = project.run(argument.run);
  return run && { project, run, ...(argument.stage !== undefined && { stage: argument.stage }) };
}

function allRuns(projects: Projects): ProjectRun[] {
  return projects.all().flatMap((project) => project.runs.map((run) => ({ project, run })));
}

function runChoice(target: ProjectRun): vscode.QuickPickItem & { target: ProjectRun } {
  const { run } = target;
  const parts = [
    stateName(run.state),
    run.bestAverage === null ? undefined : formatMeasure(run.bestAverage),
    run.started === null ? undefined : formatTime(run.started),
  ];
  return { label: runLabel(run), description: parts.filter(Boolean).join(', '), target };
}
