import * as vscode from 'vscode';
import * as z from 'zod';
import { tableRequest, type TableRequest, type TableView, tableViewSchema } from '../../messages/contract';
import { ConfigKeys } from '../../report/run-table/config-key';
import { runTableCsv, runTableMarkdown } from '../../report/run-table/export';
import { runTableMessage } from '../../report/run-table/message';
import { runTable, type RunTable } from '../../report/run-table/run-table';
import { LaterAverages } from '../../store/later-averages';
import { queryRunTable, type TableRun } from '../../store/run-table';
import { saveAs } from '../commands/exporting';
import { log, logError } from '../log';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import { changeAnnotations } from '../runs/annotating';
import { PanelSet } from './panel-set';
import { Refresher } from './refresher';

const targetSchema = z.object({ root: z.string() });

/** The run tables of this window: one for each project. */
export class RunTablePanel implements vscode.Disposable {
  private readonly panels: PanelSet<Project, RunTableServer>;

  constructor(context: vscode.ExtensionContext, projects: Projects) {
    this.panels = new PanelSet(context.extensionUri, {
      viewType: 'bam.runTable',
      script: 'run-table',
      readTarget: (state) => {
        const target = targetSchema.safeParse(state);
        return target.success ? projects.byRoot(target.data.root) : undefined;
      },
      keyOf: ({ workspace }) => workspace.root,
      titleOf: () => vscode.l10n.t('Runs'),
      serve: (panel, project) => new RunTableServer(panel, project, context.workspaceState),
    });
  }

  /** Opens or reveals the table of a project's runs. */
  show(project: Project): void {
    this.panels.show(project);
  }

  dispose(): void {
    this.panels.dispose();
  }
}

/** Answers one page. How the table is looked at is kept in the workspace's state. */
class RunTableServer implements vscode.Disposable {
  private view: TableView;
  private readonly configs: ConfigKeys;
  private readonly later: LaterAverages;
  /** The runs as of the last reading; choosing how to look at them reads nothing anew. */
  private runs: TableRun[] | undefined;
  private isStale = true;
  /** Nothing goes to a page that has not asked yet. */
  private isAsked = false;
  private readonly sending = new Refresher(() => this.send(), logError);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly project: Project,
    private readonly memory: vscode.Memento,
  ) {
    const kept = tableViewSchema.safeParse(memory.get(this.memoryKey));
    this.view = kept.success ? kept.data : tableViewSchema.parse({});
    this.configs = new ConfigKeys(project.workspace);
    this.later = new LaterAverages(project.workspace);
    this.subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)),
      panel.onDidChangeViewState(() => (this.isAsked &&= panel.visible)),
      project.onDidChange(() => {
        this.isStale = true;
        void this.sending.refresh();
      }),
    ];
  }

  dispose(): void {
    this.isAsked = false;
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private get memoryKey(): string {
    return `runTable:${this.project.workspace.root}`;
  }

  private async send(): Promise<void> {
    if (!this.isAsked) return;
    const { root } = this.project.workspace;
    const table = await this.table();
    if (this.isAsked) await this.panel.webview.postMessage(runTableMessage(root, this.view, table));
  }

  private async table(): Promise<RunTable> {
    if (this.isStale || !this.runs) {
      this.isStale = false;
      this.runs = await this.project.query((index) => queryRunTable(this.project.workspace, index, this.later));
    }
    return runTable(this.runs, this.view, (run) => this.configs.of(run));
  }

  private receive(message: unknown): void {
    const request = tableRequest.safeParse(message);
    if (request.success) void this.answer(request.data).catch(logError);
    else log.warn(`The run table sent a message of another shape than expected: ${request.error.message}`);
  }

  private async answer(request: TableRequest): Promise<void> {
    const { project } = this;
    const targetOf = (run: string): { root: string; run: string } => ({ root: project.workspace.root, run });
    switch (request.type) {
      case 'ready':
        this.isAsked = true;
        return this.sending.refresh();
      case 'view':
        this.view = request.view;
        await this.memory.update(this.memoryKey, request.view);
        return this.sending.refresh();
      case 'export':
        return this.export(request.kind);
      case 'dashboard':
        await vscode.commands.executeCommand('bam.openDashboard', targetOf(request.run));
        return;
      case 'compare': {
        const targets = request.runs.map(targetOf);
        await vscode.commands.executeCommand('bam.compare', targets[0], targets);
        return;
      }
      case 'star': {
        const run = project.run(request.run);
        if (run) await changeAnnotations({ project, run }, { starred: request.starred });
      }
    }
  }

  private async export(kind: 'csv' | 'md'): Promise<void> {
    const table = await this.table();
    const text = kind === 'csv' ? runTableCsv(table) : runTableMarkdown(table);
    await saveAs(this.project.workspace.root, `runs.${kind}`, Buffer.from(text));
  }
}
