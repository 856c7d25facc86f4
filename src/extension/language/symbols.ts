import * as vscode from 'vscode';
import { outlineOf, type OutlineSymbol, symbolsOf } from '../../config/outline';
import { rangeOf } from './document';

const KINDS: Record<OutlineSymbol['kind'], vscode.SymbolKind> = {
  section: vscode.SymbolKind.Namespace,
  domain: vscode.SymbolKind.File,
  stage: vscode.SymbolKind.Class,
};

/** Domains and stages for the outline, breadcrumbs and "Go to Symbol". */
export class ExperimentSymbols implements vscode.DocumentSymbolProvider {
  provideDocumentSymbols(document: vscode.TextDocument): vscode.DocumentSymbol[] {
    return symbolsOf(outlineOf(document.getText())).map((symbol) => toSymbol(document, symbol));
  }
}

function toSymbol(
  document: vscode.TextDocument,
  { name, detail, kind, whole, key, children }: OutlineSymbol,
): vscode.DocumentSymbol {
  const [range, selection] = [rangeOf(document, whole), rangeOf(document, key)];
  // The editor refuses a symbol without a name, which a half-written key has.
  const symbol = new vscode.DocumentSymbol(name || '?', detail, KINDS[kind], range, selection);
  symbol.children = children.map((child) => toSymbol(document, child));
  return symbol;
}
