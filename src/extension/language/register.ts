import * as vscode from 'vscode';
import { EXPERIMENT_GLOB } from '../project/experiment-files';
import { COMPLETION_TRIGGERS, ExperimentCompletion } from './completion';
import { ExperimentDefinition } from './definition';
import { registerDiagnostics } from './diagnostics';
import type { DocumentPlans } from './document-plans';
import { ExperimentFolding } from './folding';
import { ExperimentHover, type HoverSources } from './hover';
import { ExperimentReferences } from './references';
import { ExperimentRename } from './rename';
import { ExperimentSymbols } from './symbols';

/** What help in the file needs from the rest of the extension. */
export type LanguageServices = HoverSources;

/** Help in experiment files: mistakes, completion, hover, names, outline, folding. Starts `plans`, and disposes of them. */
export function registerLanguage(plans: DocumentPlans, services: LanguageServices): vscode.Disposable {
  const files: vscode.DocumentSelector = { pattern: EXPERIMENT_GLOB };
  const { languages } = vscode;
  const references = new ExperimentReferences();
  const help = vscode.Disposable.from(
    registerDiagnostics(plans),
    languages.registerCompletionItemProvider(files, new ExperimentCompletion(), ...COMPLETION_TRIGGERS),
    languages.registerHoverProvider(files, new ExperimentHover(plans, services)),
    languages.registerDefinitionProvider(files, new ExperimentDefinition()),
    languages.registerReferenceProvider(files, references),
    languages.registerDocumentHighlightProvider(files, references),
    languages.registerRenameProvider(files, new ExperimentRename()),
    languages.registerDocumentSymbolProvider(files, new ExperimentSymbols()),
    languages.registerFoldingRangeProvider(files, new ExperimentFolding()),
    plans,
  );
  plans.start();
  return help;
}
