import * as vscode from 'vscode';
import type { Diagnostic, SourcePosition } from '../../config/diagnostics';
import type { DocumentPlans } from './document-plans';

/** Shows the mistakes of open experiment files where they stand. */
export function registerDiagnostics(plans: DocumentPlans): vscode.Disposable {
  const shown = vscode.languages.createDiagnosticCollection('bam');
  const changes = plans.onDidChange((document) => {
    shown.set(document.uri, plans.mistakes(document).map(toDiagnostic));
  });
  const closing = vscode.workspace.onDidCloseTextDocument(({ uri }) => shown.delete(uri));
  return vscode.Disposable.from(shown, changes, closing);
}

function toDiagnostic({ start, end, expected, found }: Diagnostic): vscode.Diagnostic {
  const message = vscode.l10n.t('Expected {0}, found {1}', expected, found);
  const diagnostic = new vscode.Diagnostic(new vscode.Range(toPosition(start), toPosition(end)), message);
  diagnostic.source = 'bam';
  return diagnostic;
}

function toPosition({ line, column }: SourcePosition): vscode.Position {
  return new vscode.Position(line - 1, column - 1);
}
