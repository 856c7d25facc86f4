import * as vscode from 'vscode';

/** The extension's own log, with levels. */
export const log = vscode.window.createOutputChannel('BAM Studio', { log: true });

/** Writes something that was thrown into the log. */
export function logError(error: unknown): void {
  log.error(error instanceof Error ? error : String(error));
}
