import * as vscode from 'vscode';

/** Throws in a workspace that is not trusted: nothing in it is run. */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new Error(
    vscode.l10n.t(
      'This workspace is not trusted, so nothing in it is run. Trust it first ("Workspaces: Manage Workspace Trust").',
    ),
  );
}

/**
 * Throws where paths lead out of the workspace: files that a person downloaded should not make the program read
 * other places of the disk unasked, which a setting allows.
 */
export function refuseOutside(outside: readonly string[], root: string): void {
  if (!outside.length || vscode.workspace.getConfiguration('bam').get('allowPathsOutsideWorkspace')) return;
  throw new Error(
    vscode.l10n.t(
      'The experiment reads {0}, which lies outside {1}. If that is what you want, turn on the setting "bam.allowPathsOutsideWorkspace".',
      outside.join(', '),
      root,
    ),
  );
}
