import { basename } from 'node:path';
import * as vscode from 'vscode';
import { formatDuration, formatMeasure, formatTime } from '../../base/format';
import { summarizeVariants } from '../../report/variant-summary';
import type { RunState, StageState, StageSummary } from '../../store/queries';
import { hasCheckpoint } from '../../store/trained-stages';
import type { Project } from '../project/project';
import {
  type CheckpointNode,
  type FileNode,
  type Node,
  type RunNode,
  runLabel,
  type StageNode,
  type VariantsNode,
} from './nodes';

type AnyState = RunState | StageState;

const ICONS: Record<AnyState, [icon: string, color?: string]> = {
  waiting: ['circle-outline'],
  queued: ['clock'],
  preparing: ['loading~spin'],
  running: ['loading~spin', 'charts.blue'],
  cached: ['pass', 'charts.green'],
  finished: ['pass-filled', 'charts.green'],
  stopped: ['debug-pause', 'charts.yellow'],
  failed: ['error', 'charts.red'],
  interrupted: ['warning', 'charts.orange'],
};

/** The icon of a state, in the theme's colours; screen readers get the state from the item's description. */
export function stateIcon(state: AnyState): vscode.ThemeIcon {
  const [icon, color] = ICONS[state];
  return new vscode.ThemeIcon(icon, color === undefined ? undefined : new vscode.ThemeColor(color));
}

/** What a state is called. */
export function stateName(state: AnyState): string {
  const names: Record<AnyState, string> = {
    waiting: vscode.l10n.t('waiting'),
    queued: vscode.l10n.t('queued'),
    preparing: vscode.l10n.t('preparing'),
    running: vscode.l10n.t('running'),
    cached: vscode.l10n.t('from cache'),
    finished: vscode.l10n.t('finished'),
    stopped: vscode.l10n.t('stopped'),
    failed: vscode.l10n.t('failed'),
    interrupted: vscode.l10n.t('interrupted'),
  };
  return names[state];
}

/** One line of the sidebar. */
export function treeItem(node: Node): vscode.TreeItem {
  switch (node.kind) {
    case 'file':
      return fileItem(node);
    case 'run':
      return runItem(node);
    case 'variants':
      return variantsItem(node);
    case 'stage':
      return stageItem(node);
    case 'checkpoint':
      return checkpointItem(node);
  }
}

function fileItem({ file, exists }: FileNode): vscode.TreeItem {
  const uri = vscode.Uri.file(file);
  const item = new vscode.TreeItem(basename(file, '.bam.yaml'), vscode.TreeItemCollapsibleState.Expanded);
  item.id = `file ${file}`;
  item.description = exists ? vscode.workspace.asRelativePath(uri) : vscode.l10n.t('file is gone');
  item.iconPath = new vscode.ThemeIcon('beaker');
  item.contextValue = exists ? 'file' : 'lostFile';
  item.tooltip = file;
  if (exists) item.command = { command: 'vscode.open', title: vscode.l10n.t('Open'), arguments: [uri] };
  return item;
}

function runItem({ run, project }: RunNode): vscode.TreeItem {
  const item = new vscode.TreeItem(runLabel(run), vscode.TreeItemCollapsibleState.Collapsed);
  const parts = [
    stateName(run.state),
    run.stagesDone < run.stagesTotal ? vscode.l10n.t('{0} of {1} stages', run.stagesDone, run.stagesTotal) : undefined,
    run.bestAverage === null ? undefined : vscode.l10n.t('best {0}', formatMeasure(run.bestAverage)),
    ...run.tags.map((tag) => `#${tag}`),
    run.archived ? vscode.l10n.t('archived') : undefined,
  ];
  item.id = `run ${project.workspace.root} ${run.id}`;
  item.description = `${run.starred ? '★ ' : ''}${parts.filter(Boolean).join(', ')}`;
  item.iconPath = stateIcon(run.state);
  const marks = [run.state, run.starred ? 'starred' : 'plain', run.archived ? 'archived' : 'listed'];
  item.contextValue = `run ${marks.join(' ')}`;
  return item;
}

function variantsItem({ run, stage, members, project }: VariantsNode): vscode.TreeItem {
  const item = new vscode.TreeItem(stage, vscode.TreeItemCollapsibleState.Collapsed);
  const stages = members.map((member) => member.stage);
  const { done, total, failed, working } = summarizeVariants(stages);
  item.id = `variants ${project.workspace.root} ${run.id} ${stage}`;
  item.description = describeVariants(stages);
  item.iconPath = stateIcon(working[0]?.state ?? (failed ? 'failed' : done === total ? 'finished' : 'waiting'));
  item.contextValue = stageContext(project, stages);
  return item;
}

/** Menus offer to generate with stages that have a checkpoint. */
function stageContext({ workspace }: Project, stages: readonly StageSummary[]): string {
  return stages.some((stage) => hasCheckpoint(workspace, stage)) ? 'stage trained' : 'stage';
}

/** How the variants of a stage stand: `3 of 6 done, 1 failed, perplexity 5.432`, where the perplexity is the best mean over seeds. */
export function describeVariants(stages: readonly StageSummary[]): string {
  const { done, total, failed, working, best } = summarizeVariants(stages);
  const parts = [
    vscode.l10n.t('{0} of {1} done', done, total),
    failed ? vscode.l10n.t('{0} failed', failed) : undefined,
    ...working.map(({ name, state }) => `${name}: ${stateName(state)}`),
    best && vscode.l10n.t('perplexity {0}', formatMeasure(best.mean)),
  ];
  return parts.filter(Boolean).join(', ');
}

function stageItem({ run, stage, checkpoints, project }: StageNode): vscode.TreeItem {
  const state = checkpoints.length ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None;
  const item = new vscode.TreeItem(stage.name, state);
  const { step, steps, secondsLeft, result } = stage;
  const parts = [
    stateName(stage.state),
    stage.state === 'waiting' && stage.detail !== null ? stage.detail : undefined,
    stage.state === 'running' && step !== null ? vscode.l10n.t('step {0} of {1}', step, steps ?? '?') : undefined,
    secondsLeft === null ? undefined : vscode.l10n.t('{0} left', formatDuration(secondsLeft)),
    result === null ? undefined : formatMeasure(result.average),
  ];
  item.id = `stage ${project.workspace.root} ${run.id} ${stage.name}`;
  item.description = parts.filter(Boolean).join(', ');
  item.iconPath = stateIcon(stage.state);
  item.contextValue = stageContext(project, [stage]);
  item.tooltip = stageTooltip(stage);
  const target = { root: project.workspace.root, run: run.id, stage: stage.name };
  item.command = { command: 'bam.openDashboard', title: vscode.l10n.t('Open Dashboard'), arguments: [target] };
  return item;
}

function stageTooltip({ name, state, detail, fromRun, engine, seconds, result }: StageNode['stage']): string {
  const lines = [
    `${name}: ${stateName(state)}`,
    detail,
    fromRun === null ? null : vscode.l10n.t('trained by run {0}', fromRun),
    engine,
    seconds === null ? null : vscode.l10n.t('took {0}', formatDuration(seconds)),
    ...Object.entries(result?.domains ?? {}).map(([domain, d]) => `${domain}: ${formatMeasure(d.perplexity)}`),
  ];
  return lines.filter((line) => line !== null).join('\n');
}

function checkpointItem({ checkpoint, project, run }: CheckpointNode): vscode.TreeItem {
  const item = new vscode.TreeItem(vscode.l10n.t('step {0}', checkpoint.step));
  item.id = `checkpoint ${project.workspace.root} ${run.id} ${checkpoint.stage} ${checkpoint.step}`;
  item.description = checkpoint.best ? vscode.l10n.t('best') : undefined;
  item.iconPath = new vscode.ThemeIcon('archive');
  item.contextValue = 'checkpoint';
  item.tooltip = checkpoint.folder;
  return item;
}

/** The lines of a run's tooltip that need nothing but its summary. */
export function runFacts({ run }: RunNode): string[] {
  const facts = [
    `${run.id}: ${stateName(run.state)}`,
    run.started === null ? null : vscode.l10n.t('started {0}', formatTime(run.started)),
    run.seconds === null ? null : vscode.l10n.t('took {0}', formatDuration(run.seconds)),
    run.seed === null ? null : vscode.l10n.t('seed {0}', run.seed),
    run.commit === null ? null : vscode.l10n.t('commit {0}', run.commit),
    run.message,
    run.note === null ? null : vscode.l10n.t('note: {0}', run.note),
  ];
  return facts.filter((fact) => fact !== null);
}
