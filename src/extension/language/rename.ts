import * as vscode from 'vscode';
import { BamError } from '../../base/errors';
import { renamable, renameEdits } from '../../config/names';
import { rangeOf } from './document';

/** Gives a stage or a domain another name, wherever it stands in the file. */
export class ExperimentRename implements vscode.RenameProvider {
  prepareRename(
    document: vscode.TextDocument,
    position: vscode.Position,
  ): { range: vscode.Range; placeholder: string } {
    return refusing(() => {
      const { span, name } = renamable(document.getText(), document.offsetAt(position));
      return { range: rangeOf(document, span), placeholder: name };
    });
  }

  provideRenameEdits(document: vscode.TextDocument, position: vscode.Position, newName: string): vscode.WorkspaceEdit {
    return refusing(() => {
      const edit = new vscode.WorkspaceEdit();
      for (const { span, text } of renameEdits(document.getText(), document.offsetAt(position), newName)) {
        edit.replace(document.uri, rangeOf(document, span), text);
      }
      return edit;
    });
  }
}

/** The editor shows the message of what is thrown and nothing else, so the advice has to be in it. */
function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof BamError && error.advice)
      throw new Error(`${error.message} ${error.advice}`, { cause: error });
    throw error;
  }
}
