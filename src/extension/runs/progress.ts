import * as vscode from 'vscode';
import { unlinked } from '../../base/markdown';
import { formatDuration } from '../../base/format';
import { isActive, queryRun, type RunDetails, type StageSummary } from '../../store/queries';
import { log } from '../log';
import type { ProjectRun, Projects } from '../project/projects';
import { runLabel } from '../tree/nodes';
import type { Launching } from './launching';
import type { RunTarget } from './targets';
import { notify } from '../notify';

/** Shows what runs: in the status bar, and for runs started from this window in a notification that can stop them. */
export class RunProgress implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('bam.progress', vscode.StatusBarAlignment.Left, 10);
  private readonly listeners = new Set<(target: ProjectRun, details: RunDetails) => void>();
  /** Runs that were at work at the last look, whoever started them. */
  private working = new Map<string, ProjectRun>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly projects: Projects,
    private readonly launching: Launching,
  ) {
    this.item.name = 'BAM Studio';
    this.subscriptions = [
      this.item,
      projects.onDidChange(() => void this.update()),
      launching.onDidStart((target) => void this.follow(target)),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private async update(): Promise<void> {
    const active = this.projects.active();
    const before = this.working;
    this.working = new Map(active.map((target) => [target.run.id, target]));
    for (const [id, { project }] of before) {
      const run = this.working.has(id) ? undefined : project.run(id);
      if (run) void tellEnd({ project, run });
    }
    for (const target of active.slice(0, 5)) {
      const details = await read(target);
      for (const listener of this.listeners) listener(target, details);
      if (target === active[0]) this.show(target, details, active.length);
    }
    if (!active.length) this.item.hide();
  }

  private show({ project, run }: ProjectRun, details: RunDetails, count: number): void {
    const more = count > 1 ? ` (+${count - 1})` : '';
    this.item.text = `$(loading~spin) ${describeProgress(details)}${more}`;
    this.item.tooltip = vscode.l10n.t('BAM Studio: run {0}. Select to open its dashboard.', runLabel(run));
    const target: RunTarget = { root: project.workspace.root, run: run.id };
    this.item.command = { command: 'bam.openDashboard', title: '', arguments: [target] };
    this.item.show();
  }

  /** A notification from start to end; its cancel button stops the run. */
  private async follow(target: ProjectRun): Promise<void> {
    const { run } = target;
    const title = vscode.l10n.t('Run {0}', runLabel(run));
    const options = { location: vscode.ProgressLocation.Notification, title: unlinked(title), cancellable: true };
    await vscode.window.withProgress(options, async (progress, token) => {
      token.onCancellationRequested(() => void this.launching.stop(target));
      await this.untilEnd(target, (details) => {
        const done = details.stagesTotal ? Math.round((100 * details.stagesDone) / details.stagesTotal) : 0;
        progress.report({ message: unlinked(`${describeProgress(details)} (${done} %)`) });
      });
    });
  }

  private untilEnd({ project, run }: ProjectRun, report: (details: RunDetails) => void): Promise<void> {
    return new Promise((resolve) => {
      const listener = (target: ProjectRun, details: RunDetails): void => {
        if (target.run.id === run.id) report(details);
      };
      const watching = project.onDidChange(() => {
        const now = project.run(run.id);
        if (now && isActive(now)) return;
        watching.dispose();
        this.listeners.delete(listener);
        resolve();
      });
      this.listeners.add(listener);
    });
  }
}

function read({ project, run }: ProjectRun): Promise<RunDetails> {
  return project.query((index) => queryRun(project.workspace, index, run.id));
}

/** The stages at work: `bam: step 45 of 122, 3 min left`. */
export function describeProgress({ state, stages, stagesDone, stagesTotal }: RunDetails): string {
  const working = stages.filter((stage) => stage.state === 'running' || stage.state === 'preparing');
  if (state === 'queued') return vscode.l10n.t('waiting for its turn');
  if (!working.length) return vscode.l10n.t('{0} of {1} stages', stagesDone, stagesTotal);
  return working.map(describeWork).join('; ');
}

function describeWork({ name, state, step, steps, secondsLeft, detail }: StageSummary): string {
  if (state === 'preparing' || step === null) return `${name}: ${detail ?? vscode.l10n.t('preparing')}`;
  const left = secondsLeft === null ? '' : `, ${vscode.l10n.t('{0} left', formatDuration(secondsLeft))}`;
  return `${name}: ${vscode.l10n.t('step {0} of {1}', step, steps ?? '?')}${left}`;
}

async function tellEnd(target: ProjectRun): Promise<void> {
  const { project, run } = target;
  log.info(`Run ${run.id} ${run.state}${run.message ? `: ${run.message}` : ''}`);
  const argument: RunTarget = { root: project.workspace.root, run: run.id };
  const dashboard = { title: vscode.l10n.t('Dashboard'), command: 'bam.openDashboard' };
  const resume = { title: vscode.l10n.t('Resume'), command: 'bam.resume' };
  const output = { title: vscode.l10n.t('Show Log'), command: 'bam.openLog' };
  const name = runLabel(run);
  const chosen =
    run.state === 'finished'
      ? await notify.information(vscode.l10n.t('Run {0} is finished.', name), dashboard)
      : run.state === 'stopped'
        ? await notify.information(vscode.l10n.t('Run {0} was stopped.', name), resume)
        : await notify.error(vscode.l10n.t('Run {0} {1}. {2}', name, run.state, run.message ?? ''), resume, output);
  if (chosen) await vscode.commands.executeCommand(chosen.command, argument);
}
