import * as vscode from 'vscode';
import * as z from 'zod';
import { type DashboardMessage, dashboardRequest, type DashboardRequest } from '../../messages/contract';
import { log } from '../log';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import { RunFeed } from './feed';
import { pageHtml, pageRoots } from './page';
import { saveFromPage } from './saving';

const VIEW_TYPE = 'bam.dashboard';
/** What the page keeps beside its own choices, so that it opens again after a reload of the window. */
const targetSchema = z.object({ root: z.string(), run: z.string() });
type Target = z.output<typeof targetSchema>;

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
  private readonly panels = new Map<string, DashboardPanel>();
  private readonly serializer: vscode.Disposable;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly projects: Projects,
  ) {
    this.serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      deserializeWebviewPanel: async (panel, state) => this.restore(panel, state),
    });
  }

  /** Opens or reveals the dashboard of a run, at a stage if one is named. */
  show(project: Project, run: string, stage?: string): void {
    const key = keyOf(project, run);
    const open = this.panels.get(key);
    if (open) open.reveal();
    else {
      const options = { enableScripts: true, localResourceRoots: pageRoots(this.context.extensionUri) };
      this.add(vscode.window.createWebviewPanel(VIEW_TYPE, '', vscode.ViewColumn.Active, options), project, run);
    }
    if (stage !== undefined) this.panels.get(key)!.showStage(stage);
  }

  dispose(): void {
    this.serializer.dispose();
    for (const panel of this.panels.values()) panel.dispose();
  }

  private restore(webviewPanel: vscode.WebviewPanel, state: unknown): void {
    const target = targetSchema.safeParse(state);
    if (!target.success) return webviewPanel.dispose();
    webviewPanel.webview.options = {
      enableScripts: true,
      localResourceRoots: pageRoots(this.context.extensionUri),
    };
    this.add(webviewPanel, this.projects.byRoot(target.data.root), target.data.run);
  }

  private add(webviewPanel: vscode.WebviewPanel, project: Project, run: string): void {
    const key = keyOf(project, run);
    this.panels.get(key)?.dispose();
    const panel = new DashboardPanel(webviewPanel, project, run);
    this.panels.set(key, panel);
    webviewPanel.onDidDispose(() => {
      panel.forget();
      if (this.panels.get(key) === panel) this.panels.delete(key);
    });
    panel.load(this.context.extensionUri);
  }
}

function keyOf({ workspace }: Project, run: string): string {
  return JSON.stringify([workspace.root, run]);
}

/** One dashboard. A hidden page is unloaded; when it is shown again it asks anew, and gets all anew. */
class DashboardPanel {
  private feed: RunFeed | undefined;
  private stage: string | undefined;
  private isSending = false;
  private isStale = false;
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
        if (runs.includes(run)) void this.send();
      }),
    ];
  }

  load(extensionUri: vscode.Uri): void {
    const title = vscode.l10n.t('Dashboard {0}', this.project.run(this.run)?.title ?? this.run);
    this.panel.title = title;
    this.panel.webview.html = pageHtml(this.panel.webview, { extensionUri, script: 'dashboard', title });
  }

  reveal(): void {
    this.panel.reveal();
  }

  showStage(stage: string): void {
    this.stage = stage;
    void this.send();
  }

  forget(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.feed = undefined;
  }

  dispose(): void {
    this.panel.dispose();
  }

  /** Sends what is new, one sending at a time. Nothing goes to a page that has not asked yet. */
  private async send(): Promise<void> {
    this.isStale = true;
    if (this.isSending) return;
    this.isSending = true;
    try {
      while (this.isStale && this.feed) {
        this.isStale = false;
        await this.sendNews(this.feed);
      }
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
    } finally {
      this.isSending = false;
    }
  }

  private async sendNews(feed: RunFeed): Promise<void> {
    for await (const message of feed.news()) {
      if (this.feed !== feed) return;
      await this.post(message);
      if (message.type === 'run') this.panel.title = vscode.l10n.t('Dashboard {0}', message.run.title);
    }
    if (this.stage !== undefined) await this.post({ type: 'show', stage: this.stage });
    this.stage = undefined;
  }

  private post(message: DashboardMessage): Thenable<boolean> {
    return this.panel.webview.postMessage(message);
  }

  private receive(message: unknown): void {
    const request = dashboardRequest.safeParse(message);
    if (request.success) void this.answer(request.data);
    else log.warn(`A dashboard sent a message of another shape than expected: ${request.error.message}`);
  }

  private async answer(request: DashboardRequest): Promise<void> {
    const { project, run } = this;
    const target: Target = { root: project.workspace.root, run };
    switch (request.type) {
      case 'ready':
        this.feed = new RunFeed(project.workspace, (work) => project.query(work), run);
        return this.send();
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
