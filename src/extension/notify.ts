import * as vscode from 'vscode';
import { unlinked } from '../base/markdown';

/** A function of the editor that shows a message, with names in it shown as they are. */
function plainly<F extends (message: string, ...rest: never[]) => unknown>(show: F): F {
  return ((message: string, ...rest: never[]) => show(unlinked(message), ...rest)) as F;
}

/** Notifications. The editor makes links, of commands too, out of `[text](command:...)`, which the names of runs and stages may hold. */
export const notify = {
  information: plainly(vscode.window.showInformationMessage),
  warning: plainly(vscode.window.showWarningMessage),
  error: plainly(vscode.window.showErrorMessage),
};
