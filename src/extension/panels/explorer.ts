import * as vscode from 'vscode';
import * as z from 'zod';
import { RunError } from '../../base/errors';
import { servedOf } from '../../launch/served';
import { startServing } from '../../launch/serving';
import type { Plan } from '../../plan/plan';
import type { ServedCheckpoint } from '../../plan/serving';
import {
  type Asked,
  type CheckpointName,
  type ExplorerMessage,
  explorerRequest,
  type ExplorerRequest,
  type Servable,
} from '../../messages/explorer';
import { readPlan } from '../../store/plan';
import { checkpointFolder, queryTrainedStages, type TrainedStage } from '../../store/trained-stages';
import { log, logError } from '../log';
import { servingPath } from '../program';
import type { Project } from '../project/project';
import type { Projects } from '../project/projects';
import { refuseOutside, requireTrust } from '../runs/trust';
import { domainTexts } from './domain-texts';
import { PanelSet } from './panel-set';
import { Refresher } from './refresher';
import { saveFromPage } from './saving';
import { ServingSession } from './serving-session';

/** Most other stages that a page offers. */
const MAXIMUM_CHOICES = 300;

const targetSchema = z.object({ root: z.string(), run: z.string(), stage: z.string(), step: z.int().min(0) });

/** A checkpoint of a project's run. */
interface Target extends CheckpointName {
  project: Project;
}

/** The routing explorers of this window: one for each checkpoint. */
export class ExplorerPanels implements vscode.Disposable {
  private readonly panels: PanelSet<Target, ExplorerServer>;

  constructor(context: vscode.ExtensionContext, projects: Projects) {
    this.panels = new PanelSet(context.extensionUri, {
      viewType: 'bam.explorer',
      script: 'explorer',
      readTarget: (state) => {
        const { data } = targetSchema.safeParse(state);
        return data && { project: projects.byRoot(data.root), run: data.run, stage: data.stage, step: data.step };
      },
      keyOf: ({ project, run, stage, step }) => JSON.stringify([project.workspace.root, run, stage, step]),
      titleOf: ({ stage }) => vscode.l10n.t('Generate {0}', stage),
      serve: (panel, target) => new ExplorerServer(panel, target, servingPath(context.extensionPath)),
    });
  }

  /** Opens or reveals the explorer of a checkpoint. */
  show(project: Project, { run, stage, step }: CheckpointName): void {
    this.panels.show({ project, run, stage, step });
  }

  dispose(): void {
    this.panels.dispose();
  }
}

/** Answers one page, with a serving process of its own that lives as long as the panel. */
class ExplorerServer implements vscode.Disposable {
  private isAsked = false;
  private lastSent = '';
  private stages: readonly TrainedStage[] = [];
  private readonly session: ServingSession;
  private readonly sending = new Refresher(() => this.send(), logError);
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly target: Target,
    script: string,
  ) {
    this.session = new ServingSession(
      (listener) => startServing({ script, backend: this.plan?.backend, ...listener }),
      (message) => this.post(message),
    );
    this.subscriptions = [
      panel.webview.onDidReceiveMessage((message: unknown) => this.receive(message)),
      panel.onDidChangeViewState(() => (this.isAsked &&= panel.visible)),
      target.project.onDidChange(() => void this.sending.refresh()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.sending.refresh()),
    ];
  }

  private get plan(): Plan | undefined {
    return readPlan(this.target.project.workspace, this.target.run);
  }

  dispose(): void {
    this.isAsked = false;
    this.session.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  /** Says which stages there are, where that is not what was said last. */
  private async send(): Promise<void> {
    if (!this.isAsked) return;
    const message = await this.collect();
    const text = JSON.stringify(message);
    if (text === this.lastSent) return;
    this.lastSent = text;
    this.post(message);
  }

  private async collect(): Promise<ExplorerMessage> {
    const { project, run, stage, step } = this.target;
    const { workspace } = project;
    this.stages = await project.query((index) => queryTrainedStages(workspace, index));
    const shown = this.stages.find((one) => one.run === run && one.stage === stage);
    if (!shown || !checkpointFolder(workspace, shown.key, step)) {
      return { type: 'gone', message: vscode.l10n.t('The checkpoint of {0} in {1} is gone.', stage, run) };
    }
    const others = this.stages.filter((one) => one !== shown || one.step !== step).slice(0, MAXIMUM_CHOICES);
    return {
      type: 'explorer',
      root: workspace.root,
      shown: { ...servable(shown), step },
      others: others.map(servable),
      domains: this.plan?.domains.map(({ name }) => name) ?? [],
      isTrusted: vscode.workspace.isTrusted,
    };
  }

  private post(message: ExplorerMessage): void {
    if (this.isAsked) void this.panel.webview.postMessage(message);
  }

  private receive(message: unknown): void {
    const request = explorerRequest.safeParse(message);
    if (request.success) void this.answer(request.data).catch(logError);
    else log.warn(`A routing explorer sent a message of another shape than expected: ${request.error.message}`);
  }

  private async answer(request: ExplorerRequest): Promise<void> {
    const { workspace } = this.target.project;
    switch (request.type) {
      case 'ready':
        this.isAsked = true;
        this.lastSent = '';
        return this.sending.refresh();
      case 'generate':
        return this.generate(request.id, request.asked, request.isKept);
      case 'stop':
        return this.session.stop(request.id);
      case 'recall':
        return request.ids.forEach((id) => this.session.recall(id));
      case 'texts':
        return this.sendTexts();
      case 'open':
        await vscode.commands.executeCommand('bam.openFileAtStage', { root: workspace.root, ...request });
        return;
      case 'save':
        return saveFromPage(workspace.root, request);
    }
  }

  private async generate(id: number, { checkpoint, ...asked }: Asked, isKept: boolean): Promise<void> {
    try {
      requireTrust();
      this.session.generate({ id, ...asked, ...(await this.served(checkpoint)) }, isKept);
    } catch (error) {
      log.error(error instanceof Error ? error : String(error));
      this.post({ type: 'failed', id, message: error instanceof Error ? error.message : String(error) });
    }
  }

  private async served({ run, stage, step }: CheckpointName): Promise<ServedCheckpoint> {
    const { workspace } = this.target.project;
    const trained = this.stages.find((one) => one.run === run && one.stage === stage);
    const checkpoint = trained && checkpointFolder(workspace, trained.key, step);
    if (checkpoint === undefined) {
      throw new RunError(`The checkpoint of ${stage} in ${run} at step ${step} is gone.`, { reason: 'no-checkpoint' });
    }
    const plan = readPlan(workspace, run);
    if (!plan) return { checkpoint };
    const paths = plan.tokenizer.name === 'bytes' ? [] : [plan.tokenizer.name];
    await refuseOutside(paths, plan.folder, workspace.root);
    return servedOf(plan, stage, checkpoint);
  }

  private async sendTexts(): Promise<void> {
    const { plan } = this;
    const { project, run } = this.target;
    const found = plan
      ? await domainTexts(project.workspace, plan)
      : { texts: [], problems: [vscode.l10n.t('The plan of {0} is gone.', run)] };
    this.post({ type: 'texts', ...found });
  }
}

function servable({ run, title, stage, step }: TrainedStage): Servable {
  return { run, title, stage, step };
}
