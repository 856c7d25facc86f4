import * as vscode from 'vscode';
import * as z from 'zod';
import { RunError } from '../../base/errors';
import { type ComparisonMessage, comparisonRequest, type ComparisonRequest } from '../../messages/contract';
import { collectComparison } from '../../report/comparison-view';
import { log, logError } from '../log';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import { PanelSet } from './panel-set';
import { Refresher } from './refresher';
import { saveFromPage } from './saving';

/** Most runs on one page: more curves cannot be told apart. */
const MAXIMUM_RUNS = 10;

const targetSchema = z.object({ root: z.string(), runs: z.array(z.string()).min(2).max(MAXIMUM_RUNS) });

/** Runs to compare; the first is the baseline. */
interface Target {
  project: Project;
  runs: readonly string[];
}

/** The comparisons of this window: one for each choice of runs. */
export class ComparisonPanels implements vscode.Disposable {
  private readonly panels: PanelSet<Target, ComparisonServer>;

  constructor(context: vscode.ExtensionContext, projects: Projects) {
    this.panels = new PanelSet<Target, ComparisonServer>(context.extensionUri, {
      viewType: 'bam.comparison',
      script: 'compare',
      readTarget: (state) => {
        const target = targetSchema.safeParse(state);
        return target.success ? { project: projects.byRoot(target.data.root), runs: target.data.runs } : undefined;
      },
      keyOf: ({ project, runs }) => JSON.stringify([project.workspace.root, ...runs]),
      titleOf: ({ runs }) => vscode.l10n.t('Comparison of {0} runs', runs.length),
      serve: (panel, target) => new ComparisonServer(panel, target),
    });
  }

  /** Opens or reveals the comparison of 2 to 10 runs of a project with the first of them. */
  show(project: Project, runs: readonly string[]): void {
    const distinct = [...new Set(runs)];
    if (distinct.length < 2 || distinct.length > MAXIMUM_RUNS) {
      throw new RunError(`A comparison has 2 to ${MAXIMUM_RUNS} runs, but ${distinct.length} came.`, {
        reason: 'bad-comparison',
        advice: 'Choose fewer or more.',
      });
    }
    this.panels.show({ project, runs: distinct });
  }

  dispose(): void {
    this.panels.dispose();
  }
}

/** Answers one page: sends all of it whenever it is not what was sent last. */
class ComparisonServer implements vscode.Disposable {
  private isAsked = false;
  private lastSent = '';
  private readonly sending = new Refresher(() => this.send(), logError);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly target: Target,
  ) {
    this.subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)),
      panel.onDidChangeViewState(() => (this.isAsked &&= panel.visible)),
      target.project.onDidChange(({ runs }) => {
        if (runs.some((run) => target.runs.includes(run))) void this.sending.refresh();
      }),
    ];
  }

  dispose(): void {
    this.isAsked = false;
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private async send(): Promise<void> {
    if (!this.isAsked) return;
    const message = await this.collect();
    const text = JSON.stringify(message);
    if (!this.isAsked || text === this.lastSent) return;
    this.lastSent = text;
    await this.panel.webview.postMessage(message);
  }

  private async collect(): Promise<ComparisonMessage> {
    const { project, runs } = this.target;
    try {
      return await project.query((index) => collectComparison(project.workspace, index, runs));
    } catch (error) {
      if (!(error instanceof RunError) || error.reason !== 'unknown-run') throw error;
      return { type: 'gone', message: vscode.l10n.t('{0} It was deleted or moved.', error.message) };
    }
  }

  private receive(message: unknown): void {
    const request = comparisonRequest.safeParse(message);
    if (request.success) void this.answer(request.data).catch(logError);
    else log.warn(`A comparison sent a message of another shape than expected: ${request.error.message}`);
  }

  private async answer(request: ComparisonRequest): Promise<void> {
    const { root } = this.target.project.workspace;
    switch (request.type) {
      case 'ready':
        this.isAsked = true;
        this.lastSent = '';
        return this.sending.refresh();
      case 'open':
        await vscode.commands.executeCommand('bam.openFileAtStage', { root, run: request.run, stage: request.stage });
        return;
      case 'save':
        return saveFromPage(root, request);
    }
  }
}
