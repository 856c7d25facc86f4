import * as vscode from 'vscode';
import { foldsOf } from '../../config/outline';

/** Folds the model, domains, stages, each of them, and the groups inside. */
export class ExperimentFolding implements vscode.FoldingRangeProvider {
  provideFoldingRanges(document: vscode.TextDocument): vscode.FoldingRange[] {
    return foldsOf(document.getText()).map(({ start, end }) => {
      return new vscode.FoldingRange(document.positionAt(start).line, document.positionAt(end).line);
    });
  }
}
