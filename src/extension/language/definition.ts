import * as vscode from 'vscode';
import { definitionOf, nameAt } from '../../config/names';
import { outlineOf } from '../../config/outline';
import { rangeOf } from './document';

/** Leads from the name of a stage or domain to its definition. */
export class ExperimentDefinition implements vscode.DefinitionProvider {
  provideDefinition(document: vscode.TextDocument, position: vscode.Position): vscode.Location | undefined {
    const outline = outlineOf(document.getText());
    const place = nameAt(outline, document.offsetAt(position));
    const definition = place && definitionOf(outline, place);
    return definition && new vscode.Location(document.uri, rangeOf(document, definition.span));
  }
}
