import * as vscode from 'vscode';
import type { Span } from '../../config/tree';

/** The range of a stretch of a document's text. */
export function rangeOf(document: vscode.TextDocument, { start, end }: Span): vscode.Range {
  return new vscode.Range(document.positionAt(start), document.positionAt(end));
}
