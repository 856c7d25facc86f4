import * as vscode from 'vscode';
import { readVariantName } from '../base/variant-name';
import { querySpeed } from '../store/speed';
import { queryRun } from '../store/queries';
import { exportFromRun } from './commands/exporting';
import { registerGenerating } from './commands/generating';
import { newExperiment } from './commands/new-experiment';
import { registerCommand } from './commands/register';
import { registerRunCommands } from './commands/run-commands';
import { registerViewCommands } from './commands/view-commands';
import { DocumentPlans } from './language/document-plans';
import { ExperimentLenses } from './language/lenses';
import { registerLanguage } from './language/register';
import { log } from './log';
import { ComparisonPanels } from './panels/comparison';
import { DashboardPanels } from './panels/dashboard';
import { ExplorerPanels } from './panels/explorer';
import { RunTablePanel } from './panels/run-table';
import { EXPERIMENT_GLOB, ExperimentFiles } from './project/experiment-files';
import type { Project } from './project/project';
import { Projects } from './project/projects';
import { programPath } from './program';
import { Launching } from './runs/launching';
import { RunProgress } from './runs/progress';
import { chooseAndInstall, showRuntime } from './runs/runtime';
import { resolveRun, resolveRuns } from './runs/targets';
import { RunTree } from './tree/run-tree';

/** Wires the parts together. Reads no run and loads neither SQLite nor the charts before something is shown. */
export function activate(context: vscode.ExtensionContext): void {
  const projects = new Projects();
  const files = new ExperimentFiles();
  const launching = new Launching(context.extensionPath, projects);
  const tree = new RunTree(projects, files);
  context.subscriptions.push(log, projects, files, tree, new RunProgress(projects, launching));
  context.subscriptions.push(
    vscode.window.createTreeView('bam.runs', { treeDataProvider: tree, showCollapseAll: true }),
  );
  registerFileHelp(context, projects);
  registerPanels(context, projects);
  context.subscriptions.push(
    ...registerRunCommands(projects, files, launching),
    ...registerViewCommands(tree, projects),
    ...registerOtherCommands(context, projects),
  );
  followContext(context, projects, files);
  // After activation, so that it does not wait for the disk.
  setImmediate(() => projects.addFolders());
}

function registerFileHelp({ subscriptions }: vscode.ExtensionContext, projects: Projects): void {
  const plans = new DocumentPlans();
  const lenses = new ExperimentLenses(projects, plans);
  const help = registerLanguage(plans, {
    measuredSpeed: (file) => projects.forFile(file).query(querySpeed),
    lastResult: async (file, stage) => {
      const newest = projects.runsOf(file)[0];
      if (!newest) return undefined;
      const { project, run } = newest;
      const { stages } = await project.query((index) => queryRun(project.workspace, index, run.id));
      return stages.find(({ name, result }) => readVariantName(name).stage === stage && result)?.result ?? undefined;
    },
  });
  subscriptions.push(lenses, help, vscode.languages.registerCodeLensProvider({ pattern: EXPERIMENT_GLOB }, lenses));
}

function registerPanels(context: vscode.ExtensionContext, projects: Projects): void {
  const dashboards = new DashboardPanels(context, projects);
  const table = new RunTablePanel(context, projects);
  const comparisons = new ComparisonPanels(context, projects);
  const explorers = new ExplorerPanels(context, projects);
  context.subscriptions.push(
    dashboards,
    table,
    comparisons,
    explorers,
    registerGenerating(projects, explorers),
    registerCommand('bam.openDashboard', async (argument) => {
      const target = await resolveRun(projects, argument, vscode.l10n.t('Which run?'));
      if (target) dashboards.show(target.project, target.run.id, target.stage);
    }),
    registerCommand('bam.openRunTable', async () => {
      const project = await chooseProject(projects.all());
      if (project) table.show(project);
    }),
    registerCommand('bam.compare', async (_argument, all) => {
      const targets = await resolveRuns(projects, all);
      const project = targets[0]?.project;
      if (!project || targets.length < 2) return;
      const ids = targets.filter((target) => target.project === project).map(({ run }) => run.id);
      comparisons.show(project, ids);
    }),
  );
}

/** The only project, or the one that the user chooses. */
async function chooseProject(all: readonly Project[]): Promise<Project | undefined> {
  if (all.length < 2) return all[0];
  const choices = all.map((project) => ({ label: project.workspace.root, project }));
  return (await vscode.window.showQuickPick(choices, { placeHolder: vscode.l10n.t('The runs of which folder?') }))
    ?.project;
}

function registerOtherCommands(context: vscode.ExtensionContext, projects: Projects): vscode.Disposable[] {
  const program = programPath(context.extensionPath);
  const walkthrough = `${context.extension.id}#start`;
  return [
    registerCommand('bam.newExperiment', newExperiment),
    registerCommand('bam.installRuntime', () => chooseAndInstall(program)),
    registerCommand('bam.showRuntime', () => showRuntime(program)),
    registerCommand('bam.openWalkthrough', () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', walkthrough),
    ),
    registerCommand('bam.export', async (argument) => {
      const target = await resolveRun(projects, argument, vscode.l10n.t('Export what of which run?'));
      if (target) await exportFromRun(target);
    }),
  ];
}

/** The walkthrough's steps complete themselves when what they ask for is there. */
function followContext({ subscriptions }: vscode.ExtensionContext, projects: Projects, files: ExperimentFiles): void {
  const set = (key: string, value: boolean): void =>
    void vscode.commands.executeCommand('setContext', `bam.${key}`, value);
  subscriptions.push(
    files.onDidChange(() => set('hasExperiment', files.all.length > 0)),
    projects.onDidChange(() =>
      set(
        'hasRun',
        projects.all().some(({ runs }) => runs.length > 0),
      ),
    ),
  );
}
