import * as vscode from 'vscode';
import { formatDuration, formatMeasure } from '../../base/format';
import { readVariantName } from '../../base/variant-name';
import { outlineOf } from '../../config/outline';
import { stageNote } from '../../plan/stage-note';
import { isActive, queryRun, type RunDetails, type StageSummary } from '../../store/queries';
import { hasCheckpoint } from '../../store/trained-stages';
import { stagesByFileName } from '../../report/variant-summary';
import type { ProjectRun, Projects } from '../project/projects';
import type { FileTarget, RunTarget } from '../runs/targets';
import { describeVariants, stateName } from '../tree/items';
import type { DocumentPlans } from './document-plans';

/** Lenses on an experiment file: what to do with it and its stages, and how its newest runs went. */
export class ExperimentLenses implements vscode.CodeLensProvider, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.changes.event;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly projects: Projects,
    private readonly plans: DocumentPlans,
  ) {
    const fire = (): void => this.changes.fire();
    this.subscriptions = [projects.onDidChange(fire), plans.onDidChange(fire)];
  }

  async provideCodeLenses(document: vscode.TextDocument): Promise<vscode.CodeLens[]> {
    const { sections, stages } = outlineOf(document.getText());
    const file = document.uri.fsPath;
    const runs = this.projects.runsOf(file).filter(({ run }) => !run.archived);
    const [last, before] = await Promise.all(runs.slice(0, 2).map(readRun));
    const active = runs.find(({ run }) => isActive(run));
    const lenses = fileCommands({ file }, runs, active).map((command) =>
      lensAt(document, sections[0]?.key.start ?? 0, command),
    );
    for (const { name, key } of stages) {
      const context = { file, stage: name, newest: runs[0], last, before, active };
      const commands = [...stageCommands(context), ...this.note(document, name)];
      lenses.push(...commands.map((command) => lensAt(document, key.start, command)));
    }
    return lenses;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
    this.changes.dispose();
  }

  /** What a stage prunes, splits, adapts or spares, as text; of several variants that of the first. */
  private note(document: vscode.TextDocument, name: string): vscode.Command[] {
    const stage = this.plans.get(document)?.stages.find((each) => readVariantName(each.name).stage === name);
    const title = stage && stageNote(stage);
    return title ? [{ command: '', title }] : [];
  }
}

function lensAt(document: vscode.TextDocument, offset: number, command: vscode.Command): vscode.CodeLens {
  const position = document.positionAt(offset);
  return new vscode.CodeLens(new vscode.Range(position, position), command);
}

function readRun({ project, run }: ProjectRun): Promise<RunDetails> {
  return project.query((index) => queryRun(project.workspace, index, run.id));
}

function fileCommands(file: FileTarget, runs: readonly ProjectRun[], active: ProjectRun | undefined): vscode.Command[] {
  const commands: vscode.Command[] = [
    active
      ? { command: 'bam.stop', title: `$(debug-stop) ${vscode.l10n.t('Stop')}`, arguments: [targetOf(active)] }
      : { command: 'bam.runAll', title: `$(run-all) ${vscode.l10n.t('Run all')}`, arguments: [file] },
  ];
  const newest = runs[0];
  if (newest && !active && newest.run.state !== 'finished') {
    const title = `$(debug-continue) ${vscode.l10n.t('Resume')}`;
    commands.push({ command: 'bam.resume', title, arguments: [targetOf(newest)] });
  }
  if (newest) {
    const title = `$(graph-line) ${vscode.l10n.t('Dashboard')}`;
    commands.push({ command: 'bam.openDashboard', title, arguments: [targetOf(newest)] });
  }
  if (runs.length > 1) {
    const title = `$(diff) ${vscode.l10n.t('Compare')}`;
    commands.push({ command: 'bam.compare', title, arguments: [targetOf(runs[1]!), targetOf(newest!)] });
  }
  return commands;
}

interface StageContext {
  file: string;
  stage: string;
  newest: ProjectRun | undefined;
  /** The newest run of the file and the one before it. */
  last: RunDetails | undefined;
  before: RunDetails | undefined;
  active: ProjectRun | undefined;
}

function stageCommands({ file, stage, newest, last, before, active }: StageContext): vscode.Command[] {
  const variants = stagesByFileName(last?.stages ?? []).get(stage) ?? [];
  const now = variants[0];
  const commands: vscode.Command[] = [];
  if (active) {
    const isHere = variants.some(({ state }) => state === 'running' || state === 'preparing');
    const title = `$(debug-stop) ${vscode.l10n.t('Stop')}`;
    if (isHere) commands.push({ command: 'bam.stop', title, arguments: [targetOf(active)] });
  } else {
    const title = `$(play) ${vscode.l10n.t('Run')}`;
    commands.push({ command: 'bam.runStage', title, arguments: [{ file, stage } satisfies FileTarget] });
  }
  if (!now || !newest) return commands;
  const then = before?.stages.find(({ name }) => name === stage);
  const target = targetOf(newest, now.name);
  const title = variants.length > 1 ? describeVariants(variants) : describeStage(now, then);
  commands.push({ command: 'bam.openDashboard', title, arguments: [target] });
  if (variants.some(({ result }) => result)) {
    const title = `$(graph-line) ${vscode.l10n.t('Curves')}`;
    commands.push({ command: 'bam.openDashboard', title, arguments: [target] });
  }
  if (variants.some((variant) => hasCheckpoint(newest.project.workspace, variant))) {
    const title = `$(comment-discussion) ${vscode.l10n.t('Generate')}`;
    const target = targetOf(newest, variants.length > 1 ? stage : now.name);
    commands.push({ command: 'bam.generate', title, arguments: [target] });
  }
  return commands;
}

/** State with progress, last average perplexity, and its difference to the run before. */
function describeStage(
  { state, step, steps, secondsLeft, result }: StageSummary,
  before: StageSummary | undefined,
): string {
  const parts = [stateName(state)];
  if (state === 'running' && step !== null) parts.push(vscode.l10n.t('step {0} of {1}', step, steps ?? '?'));
  if (secondsLeft !== null) parts.push(vscode.l10n.t('{0} left', formatDuration(secondsLeft)));
  if (result) parts.push(vscode.l10n.t('perplexity {0}', formatMeasure(result.average)));
  const difference = result && before?.result ? result.average - before.result.average : undefined;
  if (difference) parts.push(`${difference > 0 ? '+' : '−'}${formatMeasure(Math.abs(difference))}`);
  return parts.join(', ');
}

function targetOf({ project, run }: ProjectRun, stage?: string): RunTarget {
  return { root: project.workspace.root, run: run.id, ...(stage !== undefined && { stage }) };
}
