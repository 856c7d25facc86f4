import { join } from 'node:path';
import * as vscode from 'vscode';
import { EXPORTS, exportRun, type ExportKind } from '../../report/export';
import type { ProjectRun } from '../project/projects';
import { notify } from '../notify';

/** Asks what to export of a run and where to, and writes it. Charts are exported as PNG from the dashboard. */
export async function exportFromRun({ project, run }: ProjectRun): Promise<void> {
  const entries = Object.entries(EXPORTS) as [ExportKind, string][];
  const choices = entries.map(([what, label]) => ({ label: vscode.l10n.t(label), what }));
  const chosen = await vscode.window.showQuickPick(choices, { placeHolder: vscode.l10n.t('What to export?') });
  if (!chosen) return;
  const { what } = chosen;
  const fileName = `${run.id}-${what}.${what === 'markdown' ? 'md' : 'csv'}`;
  const { workspace } = project;
  const text = await project.query((index) => exportRun(workspace, index, run.id, what));
  await saveAs(workspace.root, fileName, Buffer.from(text));
}

/** Asks where to save something, and says where it went. */
export async function saveAs(folder: string, fileName: string, content: Uint8Array): Promise<void> {
  const defaultUri = vscode.Uri.file(join(folder, fileName));
  const target = await vscode.window.showSaveDialog({ defaultUri });
  if (!target) return;
  await vscode.workspace.fs.writeFile(target, content);
  const open = vscode.l10n.t('Open');
  const message = vscode.l10n.t('Saved {0}', vscode.workspace.asRelativePath(target));
  if ((await notify.information(message, open)) === open) {
    await vscode.commands.executeCommand('vscode.open', target);
  }
}
