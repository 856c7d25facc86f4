import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { explainError } from '../../base/errors';
import { privateCacheFolder } from '../../base/cache-folder';
import type { Diagnostic } from '../../config/diagnostics';
import { type ParsedExperiment, parseExperiment } from '../../config/parse';
import type { Experiment } from '../../config/schema';
import type { Plan } from '../../plan/plan';
import { dataMistakes, findData, type FoundData, planWithData } from '../../plan/plan-file';
import { findWorkspaceRoot, Workspace } from '../../store/layout';
import { pathsRead } from '../../plan/boundary';
import { log } from '../log';
import { forbiddenPaths } from '../runs/trust';
import { isExperimentFile } from '../project/experiment-files';

/** How long nothing is typed before the text is read again. */
const QUIET_MILLISECONDS = 200;

interface State {
  parsed: ParsedExperiment;
  mistakes: readonly Diagnostic[];
  /** The last that there was. */
  plan?: Plan;
  /** What the last look at the data found, and what of the file it answers to. */
  data?: { asked: string; found: FoundData };
  timer?: NodeJS.Timeout;
  check?: AbortController;
}

/**
 * Reads and plans the open experiment files: their text soon after every change, their data (corpora and tokenizer) when they are
 * opened and saved. In a workspace that is not trusted no data is looked at, since globs may lead anywhere on the disk.
 */
export class DocumentPlans implements vscode.Disposable {
  private readonly changes = new vscode.EventEmitter<vscode.TextDocument>();
  /** Fires when a document was read or planned again. */
  readonly onDidChange = this.changes.event;
  private readonly states = new Map<vscode.TextDocument, State>();
  private readonly subscriptions = [
    vscode.workspace.onDidOpenTextDocument((document) => this.open(document)),
    vscode.workspace.onDidChangeTextDocument(({ document }) => this.readSoon(document)),
    vscode.workspace.onDidSaveTextDocument((document) => this.open(document)),
    vscode.workspace.onDidCloseTextDocument((document) => this.close(document)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => this.openAll()),
  ];

  /** Takes up the documents that are open already. Before, listeners have a chance to subscribe. */
  start(): void {
    this.openAll();
  }

  /** The last good plan of a document; `undefined` before the first. */
  get(document: vscode.TextDocument): Plan | undefined {
    return this.states.get(document)?.plan;
  }

  /** The mistakes in a document, as of the last time that it was read. */
  mistakes(document: vscode.TextDocument): readonly Diagnostic[] {
    return this.states.get(document)?.mistakes ?? [];
  }

  dispose(): void {
    for (const document of [...this.states.keys()]) this.close(document);
    for (const subscription of this.subscriptions) subscription.dispose();
    this.changes.dispose();
  }

  private openAll(): void {
    for (const document of vscode.workspace.textDocuments) this.open(document);
  }

  private open(document: vscode.TextDocument): void {
    if (!isExperimentFile(document.uri)) return;
    const state = this.read(document);
    if (vscode.workspace.isTrusted) void this.lookAtData(document, state);
  }

  private close(document: vscode.TextDocument): void {
    const state = this.states.get(document);
    clearTimeout(state?.timer);
    state?.check?.abort();
    this.states.delete(document);
  }

  private readSoon(document: vscode.TextDocument): void {
    const state = this.states.get(document);
    if (!state) return;
    clearTimeout(state.timer);
    state.timer = setTimeout(() => this.read(document), QUIET_MILLISECONDS);
  }

  private read(document: vscode.TextDocument): State {
    const parsed = parseExperiment(document.getText());
    const before = this.states.get(document);
    clearTimeout(before?.timer);
    const state: State = { ...before, parsed, mistakes: [] };
    this.states.set(document, state);
    this.settle(document, state);
    return state;
  }

  /** Draws the conclusions from the text and what is known of its data. */
  private settle(document: vscode.TextDocument, state: State): void {
    const { experiment, mistakes, source } = state.parsed;
    const known = experiment && state.data?.asked === dataAsked(experiment) ? state.data.found : undefined;
    state.mistakes = known ? [...mistakes, ...dataMistakes(source, known)] : mistakes;
    const plan = experiment && known && planWithData(experiment, dirname(document.uri.fsPath), known);
    if (plan) state.plan = plan;
    this.changes.fire(document);
  }

  private async lookAtData(document: vscode.TextDocument, { parsed, check }: State): Promise<void> {
    check?.abort();
    const { experiment } = parsed;
    if (!experiment) return;
    const own = new AbortController();
    this.states.get(document)!.check = own;
    try {
      const file = document.uri.fsPath;
      const { root } = new Workspace(findWorkspaceRoot(dirname(file)));
      const forbidden = await forbiddenPaths(pathsRead(experiment), dirname(file), root);
      if (forbidden.length) return log.info(`${file} reads ${forbidden.join(', ')}, which lies outside ${root}.`);
      const found = await findData(experiment, dirname(file), memoFolder(file), own.signal);
      // The document may have been read again meanwhile, or closed.
      const state = this.states.get(document);
      if (own.signal.aborted || !state) return;
      state.data = { asked: dataAsked(experiment), found };
      this.settle(document, state);
    } catch (error) {
      if (!own.signal.aborted) log.warn(explainError(error));
    }
  }
}

/** All of an experiment that decides what its data is. */
function dataAsked({ domains, model, stages, sweep, tasks }: Experiment): string {
  const asked = [model.tokenizer, domains, tasks, model.context, sweep?.['model.context']];
  if (!Object.values(stages).some((stage) => stage.import ?? stage.split)) return JSON.stringify(asked);
  // Imported checkpoints and narrower models have to fit the model, the experts that they become, and the ensembles that they are in.
  const origins = Object.entries(stages).map(([name, { from, import: imported, upcycle, split, ensemble, train }]) => {
    return [name, from, imported, upcycle, split, ensemble, train?.distill, train?.like];
  });
  return JSON.stringify([...asked, model, origins]);
}

/** Where content hashes are kept: with the runs, or, since looking at a file should not make a `.bam` folder, in the user's cache. */
function memoFolder(file: string): string {
  const { folder, dataFolder } = new Workspace(findWorkspaceRoot(dirname(file)));
  return existsSync(folder) ? dataFolder : join(privateCacheFolder(), 'data');
}
