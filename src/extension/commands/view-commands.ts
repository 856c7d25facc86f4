import * as vscode from 'vscode';
import { rebuildIndex } from '../../store/index';
import type { Projects } from '../project/projects';
import type { RunTree } from '../tree/run-tree';
import { SORT_ORDERS } from '../tree/nodes';
import { log } from '../log';
import { registerCommand } from './register';

/** Tells `when` clauses what the sidebar shows. */
function setContext(key: string, value: unknown): Thenable<unknown> {
  return vscode.commands.executeCommand('setContext', `bam.${key}`, value);
}

/** Commands of the sidebar's title bar. */
export function registerViewCommands(tree: RunTree, projects: Projects): vscode.Disposable[] {
  const filter = async (text: string): Promise<void> => {
    tree.show({ filter: text });
    await setContext('isFiltered', text !== '');
  };
  const showArchived = async (isShown: boolean): Promise<void> => {
    tree.show({ showArchived: isShown });
    await setContext('showsArchived', isShown);
  };
  return [
    registerCommand('bam.filterRuns', () => askFilter(tree, filter)),
    registerCommand('bam.clearFilter', () => filter('')),
    registerCommand('bam.showArchived', () => showArchived(true)),
    registerCommand('bam.hideArchived', () => showArchived(false)),
    registerCommand('bam.sortRuns', async () => {
      const labels = {
        newest: vscode.l10n.t('Newest first'),
        best: vscode.l10n.t('Lowest perplexity first'),
        name: vscode.l10n.t('By name'),
        starred: vscode.l10n.t('Starred first'),
      };
      const choices = SORT_ORDERS.map((sort) => ({ label: labels[sort], sort, picked: sort === tree.look.sort }));
      const chosen = await vscode.window.showQuickPick(choices, { placeHolder: vscode.l10n.t('Order of runs') });
      if (chosen) tree.show({ sort: chosen.sort });
    }),
    registerCommand('bam.refresh', () => Promise.all(projects.all().map((project) => project.refresh()))),
    registerCommand('bam.showOutput', () => log.show()),
    registerCommand('bam.rebuildIndex', () => rebuild(projects)),
  ];
}

/** A box that filters while one types. */
async function askFilter(tree: RunTree, filter: (text: string) => Promise<void>): Promise<void> {
  const box = vscode.window.createInputBox();
  const before = tree.look.filter;
  box.value = before;
  box.placeholder = vscode.l10n.t('Words in the name, state, note or #tags');
  let isAccepted = false;
  box.onDidChangeValue((text) => void filter(text));
  box.onDidAccept(() => {
    isAccepted = true;
    box.hide();
  });
  box.onDidHide(() => {
    if (!isAccepted) void filter(before);
    box.dispose();
  });
  box.show();
}

async function rebuild(projects: Projects): Promise<void> {
  const title = vscode.l10n.t('Making the index again from the logs');
  await vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, async () => {
    for (const { workspace } of projects.all()) await rebuildIndex(workspace);
  });
  await Promise.all(projects.all().map((project) => project.refresh()));
}
