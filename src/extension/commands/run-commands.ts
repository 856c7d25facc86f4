import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { outlineOf } from '../../config/outline';
import { isActive, type RunSummary } from '../../store/queries';
import type { ExperimentFiles } from '../project/experiment-files';
import type { ProjectRun, Projects } from '../project/projects';
import { changeAnnotations, deleteWithUndo, noteRun, renameRun, tagRun } from '../runs/annotating';
import type { Launching } from '../runs/launching';
import { type CommandArgument, type FileTarget, resolveFile, resolveRun, resolveRuns } from '../runs/targets';
import type { Node } from '../tree/nodes';
import { openAtStage, openLog, openReport, openStudy } from './opening';
import { registerCommand } from './register';

const isResumable = (run: RunSummary): boolean => !isActive(run) && run.state !== 'finished';

/** Commands that start, stop and describe runs. */
export function registerRunCommands(
  projects: Projects,
  files: ExperimentFiles,
  launching: Launching,
): vscode.Disposable[] {
  const which = vscode.l10n.t('Which run?');
  /** A command on one run. */
  const onRun = (
    command: string,
    work: (target: ProjectRun & { stage?: string }) => unknown,
    fits?: (run: RunSummary) => boolean,
  ): vscode.Disposable =>
    registerCommand(command, async (argument) => {
      const target = await resolveRun(projects, argument, which, fits);
      if (target) await work(target);
    });
  return [
    registerCommand('bam.runAll', async (argument) => {
      const file = await resolveFile(argument, files.all);
      if (file !== undefined) await launching.run({ file });
    }),
    registerCommand('bam.runStage', async (argument) => {
      const target = await resolveStage(argument, files.all);
      if (target) await launching.run(target);
    }),
    onRun('bam.stop', (target) => launching.stop(target), isActive),
    onRun('bam.resume', (target) => launching.resume(target), isResumable),
    onRun('bam.rename', renameRun),
    onRun('bam.tag', tagRun),
    onRun('bam.note', noteRun),
    onRun(
      'bam.star',
      (target) => changeAnnotations(target, { starred: true }),
      ({ starred }) => !starred,
    ),
    onRun(
      'bam.unstar',
      (target) => changeAnnotations(target, { starred: false }),
      ({ starred }) => starred,
    ),
    onRun(
      'bam.archive',
      (target) => changeAnnotations(target, { archived: true }),
      ({ archived }) => !archived,
    ),
    onRun(
      'bam.unarchive',
      (target) => changeAnnotations(target, { archived: false }),
      ({ archived }) => archived,
    ),
    onRun('bam.delete', deleteWithUndo, (run) => !isActive(run)),
    onRun('bam.openFileAtStage', ({ run, stage }) => openAtStage(run.file, stage)),
    onRun('bam.openLog', ({ project, run }) => openLog(project.workspace, run.id)),
    onRun('bam.openReport', ({ project, run }) => openReport(project.workspace, run.id)),
    registerCommand('bam.openStudy', async (argument, all) => {
      const selected =
        all.length > 1 ? await resolveRuns(projects, all) : [await resolveRun(projects, argument, which)];
      const targets = selected.flatMap((target) => target ?? []);
      const project = targets[0]?.project;
      if (!project) return;
      const runs = targets.filter((target) => target.project === project).map(({ run }) => run.id);
      await openStudy(project.workspace, runs);
    }),
    registerCommand('bam.revealFolder', async (argument) => {
      const folder = checkpointFolder(argument);
      const target = folder === undefined ? await resolveRun(projects, argument, which) : undefined;
      const path = folder ?? (target && target.project.workspace.runFolder(target.run.id));
      if (path !== undefined && existsSync(path)) {
        await vscode.commands.executeCommand('revealFileInOS', vscode.Uri.file(path));
      }
    }),
  ];
}

function checkpointFolder(argument: CommandArgument): string | undefined {
  const node = argument && 'kind' in argument ? (argument as Node) : undefined;
  return node?.kind === 'checkpoint' ? join(node.project.workspace.folder, node.checkpoint.folder) : undefined;
}

/** A stage to run: given by a lens or the tree, else chosen from those of the file. */
async function resolveStage(argument: CommandArgument, all: readonly vscode.Uri[]): Promise<FileTarget | undefined> {
  if (argument && 'file' in argument && 'stage' in argument) return argument;
  if (argument && 'kind' in argument && argument.kind === 'stage' && argument.run.file !== null) {
    return { file: argument.run.file, stage: argument.stage.name };
  }
  if (argument && 'kind' in argument && argument.kind === 'variants' && argument.run.file !== null) {
    return { file: argument.run.file, stage: argument.stage };
  }
  const file = await resolveFile(argument, all);
  if (file === undefined) return undefined;
  const { stages } = outlineOf((await vscode.workspace.openTextDocument(file)).getText());
  const names = stages.map(({ name }) => name);
  const stage = await vscode.window.showQuickPick(names, { placeHolder: vscode.l10n.t('Which stage?') });
  return stage === undefined ? undefined : { file, stage };
}
