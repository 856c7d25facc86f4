import * as vscode from 'vscode';
import { leadingOutside } from '../../plan/boundary';

/** Throws in a workspace that is not trusted: nothing in it is run. */
export function requireTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new Error(
    vscode.l10n.t(
      'This workspace is not trusted, so nothing in it is run. Trust it first ("Workspaces: Manage Workspace Trust").',
    ),
  );
}

/** Those of some paths, read from `folder`, that lead out of the workspace and that no setting allows. */
export async function forbiddenPaths(paths: readonly string[], folder: string, root: string): Promise<string[]> {
  if (vscode.workspace.getConfiguration('bam').get('allowPathsOutsideWorkspace')) return [];
  return leadingOutside(paths, folder, root);
}

/**
 * Throws where paths lead out of the workspace, by links too: files that a person downloaded should not make the program read
 * other places of the disk unasked, which a setting allows.
 */
export async function refuseOutside(paths: readonly string[], folder: string, root: string): Promise<void> {
  const outside = await forbiddenPaths(paths, folder, root);
  if (!outside.length) return;
  throw new Error(
    vscode.l10n.t(
      'The experiment reads {0}, which lies outside {1}. If that is what you want, turn on the setting "bam.allowPathsOutsideWorkspace".',
      outside.join(', '),
      root,
    ),
  );
}
