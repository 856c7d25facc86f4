import * as vscode from 'vscode';

/** The extension's own log, with levels. */
export const log = vscode.window.createOutputChannel('BAM Studio', { log: true });
