import { statSync } from 'node:fs';
import * as vscode from 'vscode';
import { isHeld } from '../../store/attempts';
import type { Database } from '../../store/database';
import { withIndex } from '../../store/index';
import { listRuns, type Workspace } from '../../store/layout';
import { isActive, queryRuns, type RunSummary } from '../../store/queries';
import { log } from '../log';

/** How often the run folders are looked at while something runs, and while nothing does. Works on any file system, unlike watching. */
const ACTIVE_MILLISECONDS = 400;
const IDLE_MILLISECONDS = 2000;

/** What is new in a project. */
export interface ProjectChange {
  /** Ids of runs that came, changed or went. */
  runs: readonly string[];
}

/** The runs below one `.bam` folder, kept up to date. */
export class Project implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<ProjectChange>();
  readonly onDidChange = this.changes.event;
  private known: readonly RunSummary[] = [];
  private seen: ReadonlyMap<string, string> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private isDisposed = false;
  private lastProblem = '';
  private lastQuery: Promise<unknown> = Promise.resolve();

  constructor(readonly workspace: Workspace) {}

  /** All runs, newest first, as of the last look. */
  get runs(): readonly RunSummary[] {
    return this.known;
  }

  run(id: string): RunSummary | undefined {
    return this.known.find((run) => run.id === id);
  }

  /** Starts looking; the first look is made at once. */
  async start(): Promise<void> {
    await this.look();
  }

  /** Looks now instead of at the next tick, e.g. after a command that changed something. */
  async refresh(): Promise<void> {
    await this.look();
  }

  /** Reads from the index, with everything new in the logs taken in. One reading at a time. */
  query<T>(work: (index: Database) => Promise<T>): Promise<T> {
    const result = this.lastQuery.then(async () => {
      const { value, problems } = await withIndex(this.workspace, work);
      for (const problem of problems) log.warn(problem);
      return value;
    });
    this.lastQuery = result.catch(() => undefined);
    return result;
  }

  dispose(): void {
    this.isDisposed = true;
    clearTimeout(this.timer);
    this.changes.dispose();
  }

  private async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const marks = this.marks();
      const runs = this.changedRuns(marks);
      if (runs.length) {
        this.known = await this.query((index) => queryRuns(this.workspace, index));
        // Only now: a change that could not be read is met again at the next look.
        this.seen = marks;
        if (!this.isDisposed) this.changes.fire({ runs });
      }
      this.lastProblem = '';
    } catch (error) {
      this.tellOnce(error);
    }
    if (this.isDisposed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), this.isActive() ? ACTIVE_MILLISECONDS : IDLE_MILLISECONDS);
  }

  private isActive(): boolean {
    return this.known.some(isActive);
  }

  private marks(): Map<string, string> {
    return new Map(listRuns(this.workspace).map((run) => [run, this.mark(run)]));
  }

  /** Runs whose log, annotations or process changed since the last look that could read them. */
  private changedRuns(marks: ReadonlyMap<string, string>): string[] {
    const changed = [...marks].filter(([run, mark]) => this.seen.get(run) !== mark).map(([run]) => run);
    const gone = [...this.seen.keys()].filter((run) => !marks.has(run));
    return [...changed, ...gone];
  }

  private mark(run: string): string {
    const files = [this.workspace.eventsFile(run), this.workspace.annotationsFile(run)];
    const times = files.map((file) => statSync(file, { throwIfNoEntry: false })).map((s) => `${s?.mtimeMs}:${s?.size}`);
    const known = this.run(run);
    return `${times.join(' ')} ${known && isActive(known) ? isHeld(this.workspace, run) : ''}`;
  }

  /** A broken index is met at every look: it is told when it breaks, not ever after. */
  private tellOnce(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message === this.lastProblem) return;
    this.lastProblem = message;
    log.error(error instanceof Error ? error : message);
    void vscode.window.showErrorMessage(
      vscode.l10n.t('The runs of {0} cannot be read. {1}', this.workspace.root, message),
    );
  }
}
