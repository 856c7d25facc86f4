import * as vscode from 'vscode';
import { formatMeasure } from '../../base/format';
import { readVariantName } from '../../base/variant-name';
import { queryTrainedStages, type TrainedStage } from '../../store/trained-stages';
import type { ExplorerPanels } from '../panels/explorer';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import type { CommandArgument } from '../runs/targets';
import { registerCommand } from './register';
import { notify } from '../notify';

/** A trained stage and the project that it belongs to. */
interface ProjectStage extends TrainedStage {
  project: Project;
}

/** The command that opens the routing explorer of a stage. */
export function registerGenerating(projects: Projects, explorers: ExplorerPanels): vscode.Disposable {
  return registerCommand('bam.generate', async (argument) => {
    const chosen = await chooseStage(projects, argument);
    if (!chosen) return;
    const { project, run, stage, step } = chosen;
    const isCheckpoint = argument && 'kind' in argument && argument.kind === 'checkpoint';
    explorers.show(project, { run, stage, step: isCheckpoint ? argument.checkpoint.step : step });
  });
}

/** The stage that is meant: the only one that fits, or the one that the user chooses. */
async function chooseStage(projects: Projects, argument: CommandArgument): Promise<ProjectStage | undefined> {
  const fitting = (await trainedStages(projects)).filter(fits(argument));
  if (!fitting.length) {
    const message = vscode.l10n.t('There is no checkpoint for this yet: run the stage first.');
    return void notify.information(message);
  }
  if (argument && fitting.length === 1) return fitting[0];
  const choices = fitting.map((trained) => ({ ...describe(trained), trained }));
  const placeHolder = vscode.l10n.t('Generate with which stage?');
  return (await vscode.window.showQuickPick(choices, { placeHolder, matchOnDescription: true }))?.trained;
}

async function trainedStages(projects: Projects): Promise<ProjectStage[]> {
  const found = projects.all().map(async (project) => {
    const stages = await project.query((index) => queryTrainedStages(project.workspace, index));
    return stages.map((stage) => ({ ...stage, project }));
  });
  return (await Promise.all(found)).flat();
}

/** Whether a stage is among those that a lens, a node of the tree or the palette (all) means. */
function fits(argument: CommandArgument): (stage: ProjectStage) => boolean {
  if (!argument || argument instanceof vscode.Uri) return () => true;
  if (!('kind' in argument)) {
    if (!('root' in argument)) return ({ file }) => file === argument.file;
    const { root, run, stage } = argument;
    return (one) => one.project.workspace.root === root && one.run === run && isStage(one, stage);
  }
  if (argument.kind === 'file') return ({ file }) => file === argument.file;
  const stage =
    argument.kind === 'stage'
      ? argument.stage.name
      : argument.kind === 'variants'
        ? argument.stage
        : argument.kind === 'checkpoint'
          ? argument.checkpoint.stage
          : undefined;
  return (one) => one.project === argument.project && one.run === argument.run.id && isStage(one, stage);
}

/** A stage by its own name, or by that of the file, which its variants share. */
function isStage({ stage }: ProjectStage, name: string | undefined): boolean {
  return name === undefined || stage === name || readVariantName(stage).stage === name;
}

function describe({ run, title, stage, step, average }: ProjectStage): vscode.QuickPickItem {
  const parts = [
    title === run ? run : `${title} (${run})`,
    vscode.l10n.t('step {0}', step),
    average === null ? undefined : vscode.l10n.t('perplexity {0}', formatMeasure(average)),
  ];
  return { label: stage, description: parts.filter(Boolean).join(', ') };
}
