import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { isActive, type RunSummary } from '../../store/queries';
import { findWorkspaceRoot, Workspace } from '../../store/layout';
import { Project } from './project';

/** A run and the project that it belongs to. */
export interface ProjectRun {
  project: Project;
  run: RunSummary;
}

/** The projects of this window: one for each root that a workspace folder or an experiment file belongs to. */
export class Projects implements vscode.Disposable {
  private readonly byPath = new Map<string, Project>();
  private readonly changes = new vscode.EventEmitter<{ project: Project; runs: readonly string[] }>();
  /** Something is new in one of the projects. */
  readonly onDidChange = this.changes.event;
  private readonly folders: vscode.Disposable;

  constructor() {
    this.folders = vscode.workspace.onDidChangeWorkspaceFolders(() => this.addFolders());
  }

  /** Opens the projects of the workspace folders. */
  addFolders(): void {
    for (const { uri } of vscode.workspace.workspaceFolders ?? []) {
      if (uri.scheme === 'file') this.byRoot(findWorkspaceRoot(uri.fsPath));
    }
  }

  all(): Project[] {
    return [...this.byPath.values()];
  }

  /** The project of a root, opened if it is not yet. */
  byRoot(root: string): Project {
    const known = this.byPath.get(root);
    if (known) return known;
    const project = new Project(new Workspace(root));
    this.byPath.set(root, project);
    project.onDidChange(({ runs }) => this.changes.fire({ project, runs }));
    void project.start();
    return project;
  }

  /** The project that an experiment file belongs to. */
  forFile(file: string): Project {
    return this.byRoot(findWorkspaceRoot(dirname(file)));
  }

  /** The runs of an experiment file, newest first. */
  runsOf(file: string): ProjectRun[] {
    const project = this.forFile(file);
    return project.runs.filter((run) => run.file === file).map((run) => ({ project, run }));
  }

  /** Every run of this window that is at work or waits for its turn. */
  active(): ProjectRun[] {
    return this.all().flatMap((project) => project.runs.filter(isActive).map((run) => ({ project, run })));
  }

  dispose(): void {
    this.folders.dispose();
    for (const project of this.byPath.values()) project.dispose();
    this.changes.dispose();
  }
}
