import * as vscode from 'vscode';

/** Names of experiment files. */
export const EXPERIMENT_GLOB = '**/*.bam.yaml';
const EXCLUDED_GLOB = '**/{node_modules,.bam,.git}/**';
/** A workspace with more is still listed, up to here. */
const MAXIMUM_FILES = 500;

/** Keeps the list of the workspace's experiment files up to date. */
export class ExperimentFiles implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(EXPERIMENT_GLOB, false, true, false);
  private files: readonly vscode.Uri[] = [];

  constructor() {
    this.watcher.onDidCreate(() => void this.find());
    this.watcher.onDidDelete(() => void this.find());
    void this.find();
  }

  /** By path. */
  get all(): readonly vscode.Uri[] {
    return this.files;
  }

  dispose(): void {
    this.watcher.dispose();
    this.changes.dispose();
  }

  private async find(): Promise<void> {
    const found = await vscode.workspace.findFiles(EXPERIMENT_GLOB, EXCLUDED_GLOB, MAXIMUM_FILES);
    this.files = found.sort((a, b) => a.fsPath.localeCompare(b.fsPath));
    this.changes.fire();
  }
}

/** True for a document or address of an experiment file on disk. */
export function isExperimentFile(uri: vscode.Uri): boolean {
  return uri.scheme === 'file' && uri.fsPath.endsWith('.bam.yaml');
}
