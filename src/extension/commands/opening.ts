import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import { RunError } from '../../base/errors';
import { writeFileAtomic } from '../../base/files';
import { readVariantName } from '../../base/variant-name';
import { outlineOf } from '../../config/outline';
import { reportRun } from '../../report/run-report';
import { writeStudy } from '../../report/study/formats';
import { collectStudy } from '../../report/study/study';
import { withIndex } from '../../store/index';
import { outputsOf } from '../../store/attempts';
import type { Workspace } from '../../store/layout';

/** Opens an experiment file, at the line of a stage or of its variant if one is named. */
export async function openAtStage(file: string | null, stage?: string): Promise<void> {
  if (file === null || !existsSync(file)) {
    throw new RunError(vscode.l10n.t('The experiment file {0} is gone.', file ?? ''), {
      reason: 'no-file',
      advice: vscode.l10n.t('The folder of the run holds a copy, experiment.yaml ("BAM: Reveal Folder").'),
    });
  }
  const document = await vscode.workspace.openTextDocument(file);
  const fileStage = stage === undefined ? undefined : readVariantName(stage).stage;
  const key = outlineOf(document.getText()).stages.find(({ name }) => name === fileStage)?.key;
  const at = document.positionAt(key?.start ?? 0);
  const viewColumn = vscode.window.visibleTextEditors.find(({ document: shown }) => shown === document)?.viewColumn;
  const options = { selection: new vscode.Range(at, at), viewColumn: viewColumn ?? vscode.ViewColumn.One };
  const editor = await vscode.window.showTextDocument(document, options);
  editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenterIfOutsideViewport);
}

/** Opens what the last trainer of a run printed that printed anything; of a run that did not come so far, what its launcher printed. */
export async function openLog(workspace: Workspace, run: string): Promise<void> {
  const files = [...outputsOf(workspace, run).slice(-1), workspace.launcherFile(run)].filter((file) =>
    existsSync(file),
  );
  if (!files.length) throw new RunError(vscode.l10n.t('Run {0} has printed nothing yet.', run), { reason: 'no-log' });
  for (const file of files.toReversed())
    await vscode.window.showTextDocument(vscode.Uri.file(file), { preview: false });
}

/** Writes a run's report anew and opens it in the browser. */
export async function openReport(workspace: Workspace, run: string): Promise<void> {
  const { html } = await reportRun(workspace, run);
  writeFileAtomic(workspace.reportFile(run), html);
  await vscode.env.openExternal(vscode.Uri.file(workspace.reportFile(run)));
}

/** Writes one document on some runs into the folder of the first and opens it in the browser. */
export async function openStudy(workspace: Workspace, runs: readonly string[]): Promise<void> {
  const { value: study } = await withIndex(workspace, (index) => collectStudy(workspace, index, runs));
  const file = workspace.studyFile(runs[0]!);
  writeFileAtomic(file, writeStudy(study, 'html'));
  await vscode.env.openExternal(vscode.Uri.file(file));
}
