import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { unlinked } from '../../base/markdown';
import { parseExperiment } from '../../config/parse';
import { startDetached } from '../../launch/detach';
import { stopRun } from '../../launch/stop';
import { pathsRead } from '../../plan/boundary';
import { log } from '../log';
import type { Project } from '../project/project';
import type { ProjectRun, Projects } from '../project/projects';
import { programPath } from '../program';
import { runLabel } from '../tree/nodes';
import { offerRuntime } from './runtime';
import type { FileTarget } from './targets';
import { refuseOutside, requireTrust } from './trust';
import { notify } from '../notify';

/** How long a stopped run may take to save its checkpoint before it is ended firmly. */
const GRACE_MILLISECONDS = 30_000;

/** Starts, stops and resumes runs. They are processes of their own, which a closed window does not end. */
export class Launching {
  private readonly starts = new vscode.EventEmitter<ProjectRun>();
  /** A run was started or resumed from this window. */
  readonly onDidStart = this.starts.event;

  constructor(
    private readonly extensionPath: string,
    private readonly projects: Projects,
  ) {}

  /** Runs an experiment, or one stage of it with what it needs. */
  async run({ file, stage }: FileTarget): Promise<void> {
    requireTrust();
    await saveDocument(file);
    const { experiment, mistakes } = parseExperiment(readFileSync(file, 'utf8'));
    if (!experiment) return void showMistakes(file, mistakes.length);
    const project = this.projects.forFile(file);
    await refuseOutside(pathsRead(experiment), dirname(file), project.workspace.root);
    const backend = await offerRuntime(this.program, experiment.engine.backend);
    if (!backend) return;
    const { run } = await startDetached({
      workspace: project.workspace,
      file,
      name: experiment.name,
      stages: stage === undefined ? undefined : [stage],
      settings: backend === experiment.engine.backend ? [] : [`engine.backend=${backend}`],
      cliScript: this.program,
    });
    await this.tellStarted(project, run);
  }

  /** Goes on with a run that was stopped, failed or interrupted. */
  async resume({ project, run }: ProjectRun): Promise<void> {
    requireTrust();
    const { workspace } = project;
    const file = run.file ?? workspace.experimentFile(run.id);
    const own = workspace.experimentFile(run.id);
    const { experiment } = parseExperiment(existsSync(own) ? readFileSync(own, 'utf8') : '');
    if (experiment) await refuseOutside(pathsRead(experiment), dirname(file), workspace.root);
    await startDetached({ workspace, file, name: run.experiment, resume: run.id, cliScript: this.program });
    await this.tellStarted(project, run.id);
  }

  /** Asks a run to save a checkpoint and end; ends it firmly where it does not. */
  async stop({ project, run }: ProjectRun): Promise<void> {
    // Which process is ended, files in the workspace say.
    requireTrust();
    const title = vscode.l10n.t('Stopping {0}: saving a checkpoint', runLabel(run));
    const how = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: unlinked(title) },
      () => stopRun(project.workspace, run.id, { graceMilliseconds: GRACE_MILLISECONDS }),
    );
    await project.refresh();
    if (how !== 'killed') return;
    const message = vscode.l10n.t('Run {0} did not answer and was ended. It goes on from its last checkpoint.', run.id);
    void notify.warning(message);
  }

  private get program(): string {
    return programPath(this.extensionPath);
  }

  private async tellStarted(project: Project, id: string): Promise<void> {
    log.info(`Started run ${id}`);
    await project.refresh();
    const run = project.run(id);
    if (run) this.starts.fire({ project, run });
  }
}

async function saveDocument(file: string): Promise<void> {
  const document = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === file);
  if (document?.isDirty) await document.save();
}

async function showMistakes(file: string, count: number): Promise<void> {
  const show = vscode.l10n.t('Show');
  const message = vscode.l10n.t('The experiment has {0} mistakes and was not started.', count);
  if ((await notify.error(message, show)) !== show) return;
  await vscode.window.showTextDocument(vscode.Uri.file(file));
  await vscode.commands.executeCommand('workbench.actions.view.problems');
}
