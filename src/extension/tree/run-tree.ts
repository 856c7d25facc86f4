import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { compareRuns } from '../../report/compare';
import { stagesByFileName } from '../../report/variant-summary';
import { queryRun, type StageSummary } from '../../store/queries';
import type { ExperimentFiles } from '../project/experiment-files';
import type { Projects } from '../project/projects';
import { runFacts, treeItem } from './items';
import {
  arrange,
  type FileNode,
  type Node,
  type RunNode,
  type StageNode,
  type TreeView,
  type VariantsNode,
} from './nodes';

/** Most differences to the run before that a tooltip lists. */
const MAXIMUM_DIFFERENCES = 8;

/** The sidebar: experiment files, their runs (newest first), stages, checkpoints. */
export class RunTree implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<Node | undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly subscriptions: vscode.Disposable[];
  private view: TreeView = { filter: '', sort: 'newest', showArchived: false };

  constructor(
    private readonly projects: Projects,
    private readonly files: ExperimentFiles,
  ) {
    const refresh = (): void => this.changes.fire(undefined);
    this.subscriptions = [this.changes, projects.onDidChange(refresh), files.onDidChange(refresh)];
  }

  get look(): Readonly<TreeView> {
    return this.view;
  }

  /** Changes what is shown: filter, order, archived runs. */
  show(changes: Partial<TreeView>): void {
    this.view = { ...this.view, ...changes };
    this.changes.fire(undefined);
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return treeItem(node);
  }

  async getChildren(node?: Node): Promise<Node[]> {
    if (!node) return this.fileNodes();
    if (node.kind === 'file') return this.runNodes(node.file);
    if (node.kind === 'run') return this.stageNodes(node);
    if (node.kind === 'variants') return node.members;
    if (node.kind === 'stage') {
      const { project, run } = node;
      return node.checkpoints.map((checkpoint) => ({ kind: 'checkpoint', project, run, checkpoint }));
    }
    return [];
  }

  getParent(node: Node): Node | undefined {
    if (node.kind === 'run' && node.run.file !== null) return fileNode(node.run.file);
    if (node.kind === 'stage' || node.kind === 'variants') return { kind: 'run', project: node.project, run: node.run };
    return undefined;
  }

  /** The tooltip of a run says in what its configuration differs from the run before: read only when it is pointed at. */
  async resolveTreeItem(item: vscode.TreeItem, node: Node): Promise<vscode.TreeItem> {
    if (node.kind === 'run') item.tooltip = [...runFacts(node), ...(await this.differences(node))].join('\n');
    return item;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private fileNodes(): FileNode[] {
    const present = this.files.all.map(({ fsPath }) => fsPath);
    const used = this.projects.all().flatMap(({ runs }) => runs.flatMap(({ file }) => file ?? []));
    return [...new Set([...present, ...used])].map(fileNode);
  }

  private runNodes(file: string): RunNode[] {
    return this.projects.all().flatMap((project) => {
      const runs = project.runs.filter((run) => run.file === file);
      return arrange(runs, this.view).map((run): RunNode => ({ kind: 'run', project, run }));
    });
  }

  private async stageNodes({ project, run }: RunNode): Promise<(StageNode | VariantsNode)[]> {
    const details = await project.query((index) => queryRun(project.workspace, index, run.id));
    const nodeOf = (stage: StageSummary): StageNode => {
      const checkpoints = details.checkpoints.filter(
        (checkpoint) =>
          checkpoint.stage === stage.name && existsSync(join(project.workspace.folder, checkpoint.folder)),
      );
      return { kind: 'stage', project, run, stage, checkpoints };
    };
    return [...stagesByFileName(details.stages)].map(([stage, members]) =>
      members.length === 1
        ? nodeOf(members[0]!)
        : { kind: 'variants', project, run, stage, members: members.map(nodeOf) },
    );
  }

  private async differences({ project, run }: RunNode): Promise<string[]> {
    const before = project.runs
      .filter((other) => other.file === run.file && (other.started ?? 0) < (run.started ?? 0))
      .at(0);
    if (!before) return [];
    const { experiment } = await project.query((index) => compareRuns(project.workspace, index, [before.id, run.id]));
    const lines = experiment
      .slice(0, MAXIMUM_DIFFERENCES)
      .map(({ key, values: [from, to] }) => `  ${key}: ${from ?? '-'} → ${to ?? '-'}`);
    const more = experiment.length - lines.length;
    if (!lines.length) return [vscode.l10n.t('same configuration as {0}', before.id)];
    return [
      vscode.l10n.t('differs from {0}:', before.id),
      ...lines,
      ...(more > 0 ? [vscode.l10n.t('  and {0} more', more)] : []),
    ];
  }
}

function fileNode(file: string): FileNode {
  return { kind: 'file', file, exists: existsSync(file) };
}
