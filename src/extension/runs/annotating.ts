import * as vscode from 'vscode';
import { annotate, type Annotations } from '../../store/annotations';
import { deleteRun, restoreRun } from '../../store/trash';
import type { ProjectRun } from '../project/projects';
import { runLabel } from '../tree/nodes';
import { notify } from '../notify';

/** Changes what is said about a run and shows it at once. */
export async function changeAnnotations({ project, run }: ProjectRun, changes: Partial<Annotations>): Promise<void> {
  annotate(project.workspace, run.id, changes);
  await project.refresh();
}

/** Asks for a run's title; an empty one brings back the id. */
export async function renameRun(target: ProjectRun): Promise<void> {
  const prompt = vscode.l10n.t('A title for run {0}; empty for its id', target.run.id);
  const title = await vscode.window.showInputBox({ prompt, value: target.run.title ?? '' });
  if (title !== undefined) await changeAnnotations(target, { title: title.trim() || null });
}

/** Asks for a run's tags. */
export async function tagRun(target: ProjectRun): Promise<void> {
  const prompt = vscode.l10n.t('Tags of run {0}, with commas between', runLabel(target.run));
  const text = await vscode.window.showInputBox({ prompt, value: target.run.tags.join(', ') });
  if (text === undefined) return;
  const tags = text.split(',').map((tag) => tag.trim().replace(/^#/, ''));
  await changeAnnotations(target, { tags: tags.filter(Boolean) });
}

/** Asks for a run's note. */
export async function noteRun(target: ProjectRun): Promise<void> {
  const prompt = vscode.l10n.t('A note on run {0}', runLabel(target.run));
  const note = await vscode.window.showInputBox({ prompt, value: target.run.note ?? '' });
  if (note !== undefined) await changeAnnotations(target, { note: note.trim() || null });
}

/** Deletes a run, and brings it back if asked. */
export async function deleteWithUndo({ project, run }: ProjectRun): Promise<void> {
  deleteRun(project.workspace, run.id);
  await project.refresh();
  const undo = vscode.l10n.t('Undo');
  const message = vscode.l10n.t('Run {0} was deleted. It is kept for a week.', runLabel(run));
  if ((await notify.information(message, undo)) !== undo) return;
  restoreRun(project.workspace, run.id);
  await project.refresh();
}
