import * as vscode from 'vscode';
import * as z from 'zod';
import { type DashboardMessage, dashboardRequest, type DashboardRequest } from '../../messages/contract';
import { log, logError } from '../log';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import { RunFeed } from './feed';
import { PanelSet } from './panel-set';
import { Refresher } from './refresher';
import { saveFromPage } from './saving';

const targetSchema = z.object({ root: z.string(), run: z.string() });

interface Target {
  project: Project;
  run: string;
}

/** Commands that a page may ask for, and what they are called in VS Code. */
const COMMANDS = {
  stop: 'bam.stop',
  resume: 'bam.resume',
  compare: 'bam.compare',
  log: 'bam.openLog',
  report: 'bam.openReport',
} as const;

/** The dashboards of this window: one for each run. */
export class DashboardPanels implements vscode.Disposable {
  private readonly panels: PanelSet<Target, DashboardServer>;

  constructor(context: vscode.ExtensionContext, projects: Projects) {
    this.panels = new PanelSet(context.extensionUri, {
      viewType: 'bam.dashboard',
      script: 'dashboard',
      readTarget: (state) => {
        const target = targetSchema.safeParse(state);
        return target.success ? { project: projects.byRoot(target.data.root), run: target.data.run } : undefined;
      },
      keyOf: ({ project, run }) => JSON.stringify([project.workspace.root, run]),
      titleOf: ({ project, run }) => titleOf(project.run(run)?.title ?? run),
      serve: (panel, { project, run }) => new DashboardServer(panel, project, run),
    });
  }

  /** Opens or reveals the dashboard of a run, at a stage if one is named. */
  show(project: Project, run: string, stage?: string): void {
    const server = this.panels.show({ project, run });
    if (stage !== undefined) server.showStage(stage);
  }

  dispose(): void {
    this.panels.dispose();
  }
}

function titleOf(run: string): string {
  return vscode.l10n.t('Dashboard {0}', run);
}

/** Answers one page: sends all of a run when asked, then what is new. */
class DashboardServer implements vscode.Disposable {
  private feed: RunFeed | undefined;
  private stage: string | undefined;
  private readonly sending = new Refresher(() => this.send(), logError);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly project: Project,
    private readonly run: string,
  ) {
    this.subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)),
      panel.onDidChangeViewState(() => {
        if (!panel.visible) this.feed = undefined;
      }),
      project.onDidChange(({ runs }) => {
        if (runs.includes(run)) void this.sending.refresh();
      }),
    ];
  }

  showStage(stage: string): void {
    this.stage = stage;
    void this.sending.refresh();
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.feed = undefined;
  }

  /** Sends what is new. Nothing goes to a page that has not asked yet. */
  private async send(): Promise<void> {
    if (this.feed) await this.sendNews(this.feed);
  }

  private async sendNews(feed: RunFeed): Promise<void> {
    for await (const message of feed.news()) {
      if (this.feed !== feed) return;
      await this.post(message);
      if (message.type === 'run') this.panel.title = titleOf(message.run.title);
    }
    if (this.stage !== undefined) await this.post({ type: 'show', stage: this.stage });
    this.stage = undefined;
  }

  private post(message: DashboardMessage): Thenable<boolean> {
    return this.panel.webview.postMessage(message);
  }

  private receive(message: unknown): void {
    const request = dashboardRequest.safeParse(message);
    if (request.success) void this.answer(request.data).catch(logError);
    else log.warn(`A dashboard sent a message of another shape than expected: ${request.error.message}`);
  }

  private async answer(request: DashboardRequest): Promise<void> {
    const { project, run } = this;
    const target = { root: project.workspace.root, run };
    switch (request.type) {
      case 'ready':
        this.feed = new RunFeed(project.workspace, (work) => project.query(work), run);
        return this.sending.refresh();
      case 'open':
        await vscode.commands.executeCommand('bam.openFileAtStage', { ...target, stage: request.stage });
        return;
      case 'save':
        return saveFromPage(project.workspace.root, request);
      case 'command':
        await vscode.commands.executeCommand(COMMANDS[request.command], target);
    }
  }
}
