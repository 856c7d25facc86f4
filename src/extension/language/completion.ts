import * as vscode from 'vscode';
import { type Completion, completionsAt } from '../../config/completion';
import { rangeOf } from './document';

/** After these, what follows can be completed without asking. */
export const COMPLETION_TRIGGERS = [' ', '[', '{', ','];

const KINDS: Record<Completion['kind'], vscode.CompletionItemKind> = {
  key: vscode.CompletionItemKind.Property,
  word: vscode.CompletionItemKind.EnumMember,
  stage: vscode.CompletionItemKind.Class,
  domain: vscode.CompletionItemKind.File,
  group: vscode.CompletionItemKind.Struct,
};

/** Completes keys, names and values of an experiment file. */
export class ExperimentCompletion implements vscode.CompletionItemProvider {
  provideCompletionItems(document: vscode.TextDocument, position: vscode.Position): vscode.CompletionItem[] {
    const completions = completionsAt(document.getText(), document.offsetAt(position));
    return completions.map((completion, i) => toItem(document, position, completion, i));
  }
}

function toItem(
  document: vscode.TextDocument,
  position: vscode.Position,
  { label, kind, detail, documentation, insert, word, goesOn }: Completion,
  order: number,
): vscode.CompletionItem {
  const item = new vscode.CompletionItem(label, KINDS[kind]);
  const replacing = rangeOf(document, word);
  item.detail = detail;
  item.documentation = new vscode.MarkdownString(documentation);
  item.insertText = new vscode.SnippetString(insert);
  item.range = { inserting: replacing.with({ end: position }), replacing };
  item.sortText = String(order).padStart(4, '0');
  if (goesOn) item.command = { command: 'editor.action.triggerSuggest', title: vscode.l10n.t('Suggest') };
  return item;
}
